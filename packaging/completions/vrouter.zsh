#compdef vrouter
# SPDX-License-Identifier: GPL-2.0-or-later
local -a commands
commands=(
  'add-guest:give the guest on a TAP its address, and the network with it'
  'remove-guest:take the network away from a guest and forget it'
  'guests:list the guests' 'show:show all that is known of one guest'
  'status:show how vrouterd is' 'leases:list the DHCP leases, or end one'
  'dns:show how DNS does, ask it, or empty its cache'
  'publish:make a port of a guest reachable' 'unpublish:close a published port'
  'change-guest:put a guest into other groups'
  'ruleset:print the rules in force' 'explain:say whether a connection passes, and which rules decide'
  "rules:list the policy's rules and what each has decided on"
  'monitor:show what the firewall refuses and what becomes of leases' 'reload:read the files again'
  'confirm:keep the files that wait to be confirmed'
  'check:check the configuration' 'teardown:remove all that vrouterd made')
_arguments -C '--socket[control socket]:socket:_files' '--json[print what the socket returned]' \
  '--help[show help]' '--version[show the version]' '1:command:->command' '*::argument:->argument'
case $state in
  command) _describe command commands ;;
  argument)
    case $words[1] in
      add-guest)
        _arguments '1:TAP:_net_interfaces' '2:address' '--name:name' '--mac:MAC' '--network:network' '*--group:group' \
          '*--publish:port' '*--floating:address' '*--snat:address' '*--prefix:prefix' '*--allow-address:address' \
          '*--limit:limit:(egress.packets= egress.bits= ingress.packets= ingress.bits= new_connections= connections=)' \
          '--shared' '--dhcp-mask:length' '--create-tap' '--owner:user:_users' '--ephemeral' '--wait' ;;
      remove-guest|show|publish|unpublish)
        local -a guests
        guests=(${(f)"$(vrouter guests 2>/dev/null | tail -n +2 | cut -d' ' -f1)"})
        _describe guest guests ;;
      leases)
        local -a leased
        [[ $words[2] == release ]] && leased=(${(f)"$(vrouter leases 2>/dev/null | tail -n +2 | cut -d' ' -f1)"})
        _arguments '--network[only those of this network]:network' '--watch[again whenever something changes]' \
          '1:command:(release)' '2:address:($leased)' ;;
      dns) _arguments '1:command:(flush query)' '2:name' '3:type:(A AAAA CNAME MX NS PTR SOA SRV TXT HTTPS)' '--tcp' ;;
      monitor)
        local -a guests
        guests=(${(f)"$(vrouter guests 2>/dev/null | tail -n +2 | cut -d' ' -f1)"})
        _arguments "--guest[only from or to this one]:guest:(($guests))" ;;
      change-guest)
        local -a changed
        changed=(${(f)"$(vrouter guests 2>/dev/null | tail -n +2 | cut -d' ' -f1)"})
        _arguments '1:guest:($changed)' '*--group:group' '--no-groups' ;;
      reload) _arguments '--confirm[go back unless confirmed in time]:seconds' ;;
      check) _files ;;
    esac ;;
esac
