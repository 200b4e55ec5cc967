/*
 * Which of the records does MODEL:VARIANT mean, without a version?
 */
#ifndef FERRY_STORE_NAMED_H
#define FERRY_STORE_NAMED_H

#include "store/store.h"

/* The complete one with this name, else the highest complete one that was fetched by its number,
 * else one that is incomplete. SIZE_MAX: there is none. */
size_t store_named(const struct store_variants *all, const char *repository, const char *model,
		   const char *variant);

#endif
