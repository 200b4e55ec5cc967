#include "tuf/margin.h"

#include <string.h>

#define DAY 86400

int64_t tuf_margin_s(const char *role, uint64_t given_s)
{
	if (given_s)
		return (int64_t)given_s;
	return strcmp(role, "timestamp") == 0  ? DAY
	       : strcmp(role, "snapshot") == 0 ? 2 * DAY
					       : 30 * DAY;
}
