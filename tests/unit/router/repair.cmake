vrouter_test(mending_test LABEL unit SOURCES daemon_mending_test.cpp USES daemon reconcile control firewall)
