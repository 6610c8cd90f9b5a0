# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for vrouter(1)

# Names of the guests: the second column would do as well, but a name is what people know.
_vrouter_guests() {
  vrouter guests 2>/dev/null | tail -n +2 | cut -d' ' -f1
}

_vrouter_taps() {
  local path
  for path in /sys/class/net/*/tun_flags; do
    [[ -e $path ]] || continue
    path=${path%/tun_flags}
    printf '%s\n' "${path##*/}"
  done
}

# Those that `vrouter leases release` takes too: of a guest's own address it says what it is.
_vrouter_leased() {
  vrouter leases 2>/dev/null | tail -n +2 | cut -d' ' -f1
}

_vrouter() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word command=
  local commands="add-guest remove-guest guests show status leases dns publish unpublish change-guest ruleset explain rules monitor reload confirm check teardown"
  local i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      --socket | --config | --policy-dir | --state-dir) ((i++)) ;;
      -*) ;;
      *) command=$word; break ;;
    esac
  done
  case $prev in
    --socket | --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --policy-dir | --state-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --owner) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
    --guest) mapfile -t COMPREPLY < <(compgen -W "$(_vrouter_guests)" -- "$cur"); return ;;
    --name | --mac | --network | --group | --publish | --floating | --snat | --prefix | --allow-address | --dhcp-mask | --confirm) return ;;
    --limit) compopt -o nospace; mapfile -t COMPREPLY < <(compgen -S = -W "egress.packets egress.bits ingress.packets ingress.bits new_connections connections" -- "$cur"); return ;;
  esac
  if [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands --socket --json --help --version" -- "$cur")
    return
  fi
  if [[ $cur == -* ]]; then
    local options="--help --json --socket"
    case $command in
      add-guest)
        options+=" --name --mac --network --group --publish --floating --snat --prefix --allow-address --limit --shared --dhcp-mask"
        options+=" --create-tap --owner --ephemeral --wait" ;;
      leases) options+=" --network --watch" ;;
      monitor) options+=" --guest" ;;
      change-guest) options+=" --group --no-groups" ;;
      reload) options+=" --confirm" ;;
      check) options+=" --config --policy-dir" ;;
      teardown) options+=" --config --state-dir" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    return
  fi
  case $command in
    add-guest) [[ $prev == add-guest ]] && mapfile -t COMPREPLY < <(compgen -W "$(_vrouter_taps)" -- "$cur") ;;
    remove-guest | show | publish | unpublish | change-guest)
      [[ $prev == "$command" ]] && mapfile -t COMPREPLY < <(compgen -W "$(_vrouter_guests)" -- "$cur") ;;
    leases)
      [[ $prev == leases ]] && mapfile -t COMPREPLY < <(compgen -W "release" -- "$cur")
      [[ $prev == release ]] && mapfile -t COMPREPLY < <(compgen -W "$(_vrouter_leased)" -- "$cur") ;;
    dns) [[ $prev == dns ]] && mapfile -t COMPREPLY < <(compgen -W "flush query" -- "$cur") ;;
    check) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  esac
}
complete -F _vrouter vrouter
