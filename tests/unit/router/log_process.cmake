# The log's reader as a process: what it makes of guests' bytes, and its verbs.
vrouter_test(log_process_test LABEL unit SOURCES log_packet_test.cpp USES log_process)
