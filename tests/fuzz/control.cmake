vrouter_fuzzer(control SOURCES control_fuzz.cpp USES control LINKS Boost::json)
