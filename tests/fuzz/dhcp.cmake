# SPDX-License-Identifier: GPL-2.0-or-later
vrouter_fuzzer(dhcp_decode SOURCES dhcp_decode.cpp USES dhcp)
vrouter_fuzzer(dhcp_encode SOURCES dhcp_encode.cpp USES dhcp)
vrouter_fuzzer(dhcp_answer SOURCES dhcp_answer.cpp USES dhcp)
vrouter_fuzzer(dhcp_verbs SOURCES dhcp_verbs.cpp USES dhcp_process)
