# Programs of router/daemon.
vrouter_test(daemon_test LABEL unit SOURCES daemon_admission_book_test.cpp daemon_guest_tables_test.cpp daemon_lease_book_test.cpp daemon_lease_order_test.cpp
             daemon_cut_test.cpp daemon_monitors_test.cpp daemon_upstream_rules_test.cpp USES daemon)
# The daemon's core over fakes; a lab test since it opens sockets in a network namespace of its own.
vrouter_test(daemon_faults_test LABEL lab SOURCES daemon_admissions_test.cpp daemon_faults_test.cpp daemon_outside_test.cpp daemon_reload_test.cpp daemon_trouble_test.cpp USES daemon LINKS fmt::fmt)
