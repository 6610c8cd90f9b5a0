# Programs of router/daemon.
vrouter_test(daemon_test LABEL unit SOURCES daemon_guest_tables_test.cpp USES daemon)
