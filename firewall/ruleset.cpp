#include "firewall/ruleset.h"
