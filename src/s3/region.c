#include "s3/region.h"

#include "util/text.h"

const char *region_domain(const char *region)
{
	return str_starts(region, "cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}
