vrouter_fuzzer(dns_message SOURCES dns_message.cpp USES dns)
vrouter_fuzzer(dns_names SOURCES dns_names.cpp USES dns)
vrouter_fuzzer(dns_resolv_conf SOURCES dns_resolv_conf.cpp USES dns)
vrouter_fuzzer(dns_verbs SOURCES dns_verbs.cpp USES dns_process)
