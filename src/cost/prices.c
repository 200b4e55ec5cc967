#include "cost/prices.h"

#include "util/text.h"

#include <string.h>

#define NANO(units, millionths) ((units)*SETTINGS_COST_UNIT + (millionths) * (uint64_t)1000)
#define GB ((uint64_t)1000000000)

/*
 * A figure stands here only with the vendor's page that has it, and the day on which it was read.
 * Amazon's page https://aws.amazon.com/s3/pricing/ fills its figures in with a script, so none of
 * them could be compared with it: S3 has no price until ferry.conf gives one.
 */
static const struct settings_cost_price builtin[] = {
	{
		/* "R2 pricing", standard storage: $0.015 for a GB-month, Class A $4.50 and Class B
		 * $0.36 for a million requests, egress free; "Free tier": 10 GB-months, 1 million
		 * and 10 million requests; "rounds up your usage to the next billing unit";
		 * "Minimum storage duration": none. Its text is src/content/docs/r2/pricing.mdx of
		 * github.com/cloudflare/cloudflare-docs, here in the commit 07ec87d4f0b2. */
		.name = "r2",
		.source = "https://developers.cloudflare.com/r2/pricing/ (read 2026-11-29)",
		.storage = { { { 0, 10 * GB }, { NANO(0, 15000), UINT64_MAX } }, 2 },
		.write = { { { 0, 1000000 }, { NANO(4, 500000), UINT64_MAX } }, 2 },
		.read = { { { 0, 10000000 }, { NANO(0, 360000), UINT64_MAX } }, 2 },
		.gigabyte = GB,
		.round_up = true,
	},
	{
		/* "Storage and bandwidth quotas": "There is no limit on the total size of a
		 * release, nor bandwidth usage." Nothing of it is charged. Its text is
		 * content/repositories/releasing-projects-on-github/about-releases.md of
		 * github.com/github/docs, here in the commit 0195a84868ef. */
		.name = "github",
		.source = "https://docs.github.com/en/repositories/releasing-projects-on-github/"
			  "about-releases (read 2026-11-29)",
		.gigabyte = GB,
	},
};

const struct settings_cost_price *cost_prices_builtin(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
		if (strcmp(builtin[i].name, name) == 0)
			return &builtin[i];
	return NULL;
}

/* Prices in another currency than that of ferry.conf say nothing. */
static const struct settings_cost_price *named(const struct settings_cost *c, const char *name)
{
	const struct settings_cost_price *own = settings_cost_price(c, name);
	if (own || strcmp(c->currency, COST_PRICES_CURRENCY) != 0)
		return own;
	return cost_prices_builtin(name);
}

static bool is_at_cloudflare(const struct settings_mirror *m)
{
	const char *endpoint = conf_get(m->section, "endpoint");
	return endpoint && strstr(endpoint, ".r2.cloudflarestorage.com");
}

int cost_prices_find(const struct settings_cost *c, const struct settings_mirror *m,
		     const struct settings_cost_price **out, struct err *e)
{
	const char *kind = m->kind ? m->kind : "";
	bool bucket = strcmp(kind, "s3") == 0 && is_at_cloudflare(m);
	*out = named(c, m->price ? m->price : bucket ? "r2" : kind);
	if (*out || !m->price)
		return 0;
	if (cost_prices_builtin(m->price)) {
		conf_err(m->conf, m->section, "price", e, "price: that of %s is in %s, not in %s",
			 m->price, COST_PRICES_CURRENCY, c->currency);
		return err_hint(e, "write a section [price.%s] with prices in %s", m->price,
				c->currency);
	}
	return conf_err(m->conf, m->section, "price", e, "price: there is no [price.%s]", m->price);
}
