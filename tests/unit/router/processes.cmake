vrouter_test(processes_test LABEL unit SOURCES processes_channel_test.cpp processes_supervisor_test.cpp
  USES processes LINKS fmt::fmt)
