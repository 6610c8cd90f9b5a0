vrouter_fuzzer(config_file SOURCES config_file.cpp USES config)
vrouter_fuzzer(config_publish SOURCES config_publish.cpp USES config)
vrouter_fuzzer(policy SOURCES policy.cpp USES config)
