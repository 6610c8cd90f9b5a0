vrouter_fuzzer(log_packet SOURCES log_packet.cpp USES log_process)
