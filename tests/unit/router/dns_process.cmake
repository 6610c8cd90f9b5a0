# The DNS service as a process: its verbs, and what the daemon makes of them.
vrouter_test(dns_process_test LABEL unit SOURCES dns_verbs_test.cpp dns_remote_test.cpp dns_reports_test.cpp dns_job_test.cpp USES dns_process)
