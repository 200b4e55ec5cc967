#include "health/health.h"

#include <string.h>

bool health_state_parse(const char *name, enum health_state *out)
{
	for (int s = HEALTH_OK; s <= HEALTH_UNKNOWN; s++)
		if (strcmp(name, health_state_name((enum health_state)s)) == 0) {
			*out = (enum health_state)s;
			return true;
		}
	return false;
}

bool health_check_parse(const char *name, enum health_check *out)
{
	for (int c = 0; c < HEALTH_CHECKS; c++)
		if (strcmp(name, health_check_name((enum health_check)c)) == 0) {
			*out = (enum health_check)c;
			return true;
		}
	return false;
}
