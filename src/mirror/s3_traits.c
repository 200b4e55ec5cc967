#include "mirror/s3.h"

#include "mirror/record.h"
#include "util/mem.h"

static const struct {
	enum mirror_s3_trait trait;
	const char *name; /* in the record */
} names[] = {
	{ S3_CHECKS_SHA256, "s3.checks-sha256" }, { S3_CHECKSUMS, "s3.checksums" },
	{ S3_KEEPS_META, "s3.keeps-meta" },       { S3_KEEPS_HEADERS, "s3.keeps-headers" },
	{ S3_LISTS_PARTS, "s3.lists-parts" },     { S3_COPIES_PARTS, "s3.copies-parts" },
	{ S3_PLAIN_ETAG, "s3.plain-etag" },       { S3_LISTS_FOLDERS, "s3.lists-folders" },
};

bool mirror_s3_has(const struct mirror *m, unsigned traits)
{
	const struct mirror_s3 *s = m->state;
	return (s->traits & traits) == traits;
}

void mirror_s3_set_traits(struct mirror *m, unsigned traits, unsigned can)
{
	struct mirror_s3 *s = m->state;
	s->traits = traits | S3_PROBED;
	m->can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | can;
}

void mirror_s3_load_traits(struct mirror *m)
{
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	unsigned traits = 0, can = 0;
	bool value, known = true;
	mirror_record_load(m, &r);
	for (size_t i = 0; i < ARRAY_LEN(names) && known; i++) {
		known = mirror_record_can(&r, names[i].name, &value);
		traits |= known && value ? names[i].trait : 0;
	}
	for (const struct mirror_can_name *n = mirror_can_names; n->name; n++)
		if (mirror_record_can(&r, n->name, &value) && value)
			can |= n->bit;
	if (known)
		mirror_s3_set_traits(m, traits, can);
}

void mirror_s3_save_traits(const struct mirror *m)
{
	const struct mirror_s3 *s = m->state;
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	struct err ignored = ERR_INIT;
	mirror_record_load(m, &r);
	mirror_record_set_capabilities(&r, m);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		mirror_record_set_can(&r, names[i].name, s->traits & names[i].trait);
	(void)!mirror_record_save(m, &r, &ignored);
}
