#include "catalog/card_members.h"

#include "catalog/link.h"
#include "catalog/spdx.h"
#include "hash/grid.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

#define COUNT_MAX INT64_MAX

const struct card_member card_members[] = { { "format", CARD_TEXT, 64, false },
					    { "version", CARD_COUNT, COUNT_MAX, false },
					    { "id", CARD_ID, 64, false },
					    { "title", CARD_TEXT, 200, true },
					    { "summary", CARD_TEXT, 500, true },
					    { "description", CARD_PROSE, 20000, true },
					    { "license", CARD_NESTED, 0, false },
					    { "family", CARD_TEXT, 64, true },
					    { "parameters", CARD_COUNT, COUNT_MAX, true },
					    { "context_length", CARD_COUNT, 1 << 30, true },
					    { "tags", CARD_WORDS, CARD_MAX_WORDS, true },
					    { "languages", CARD_WORDS, CARD_MAX_WORDS, true },
					    { "source", CARD_NESTED, 0, false },
					    { "created", CARD_TIME, 0, true },
					    { "updated", CARD_TIME, 0, true },
					    { "deprecated", CARD_NESTED, 0, false },
					    { "withdrawn", CARD_NESTED, 0, false },
					    { "variants", CARD_NESTED, 0, false },
					    { 0 } };

const struct card_member card_license_members[] = { { "id", CARD_LICENSE, SPDX_MAX_BYTES, true },
						    { "name", CARD_TEXT, 200, true },
						    { "url", CARD_URL, 0, true },
						    { 0 } };

const struct card_member card_source_members[] = {
	{ "url", CARD_URL, 0, true },         { "author", CARD_TEXT, 200, true },
	{ "revision", CARD_TEXT, 200, true }, { "base_model", CARD_TEXT, 500, true },
	{ "sha256", CARD_HEX, 0, true },      { 0 }
};

const struct card_member card_deprecated_members[] = { { "reason", CARD_TEXT, 500, true },
						       { "replacement", CARD_ID, 64, true },
						       { "since", CARD_TIME, 0, true },
						       { 0 } };

const struct card_member card_withdrawn_members[] = { { "reason", CARD_TEXT, 500, false },
						      { "replacement", CARD_TEXT, 256, false },
						      { "since", CARD_TIME, 0, false },
						      { 0 } };

const struct card_member card_variant_members[] = {
	{ "id", CARD_ID, 64, false },
	{ "title", CARD_TEXT, 200, true },
	{ "summary", CARD_TEXT, 500, true },
	{ "kind", CARD_ID, 64, true },
	{ "engine", CARD_TEXT, 64, true },
	{ "quantization", CARD_TEXT, 64, true },
	{ "default", CARD_FLAG, 0, true },
	{ "size", CARD_COUNT, COUNT_MAX, false },
	{ "ram", CARD_NESTED, 0, false },
	{ "min_ram", CARD_COUNT, COUNT_MAX, true },
	{ "recommended_ram", CARD_COUNT, COUNT_MAX, true },
	{ "tags", CARD_WORDS, CARD_MAX_WORDS, true },
	{ "files", CARD_NESTED, 0, false },
	{ "version", CARD_COUNT, COUNT_MAX, false },
	{ "label", CARD_ID, 64, true },
	{ "released", CARD_TIME, 0, false },
	{ "changes", CARD_SENTENCES, CARD_MAX_SENTENCES, false },
	{ "withdrawn", CARD_NESTED, 0, false },
	{ "superseded", CARD_NESTED, 0, false },
	{ 0 }
};

const struct card_member card_ram_members[] = { { "context", CARD_COUNT, 1 << 30, false },
						{ "bytes", CARD_COUNT, COUNT_MAX, false },
						{ "token_bytes", CARD_COUNT, COUNT_MAX, false },
						{ "unknown", CARD_TEXT, 500, false },
						{ 0 } };

const struct card_member card_file_members[] = {
	{ "path", CARD_TEXT, 1024, false }, { "name", CARD_TEXT, 255, false },
	{ "role", CARD_ID, 64, false },     { "size", CARD_COUNT, GRID_MAX_SIZE, false },
	{ "sha256", CARD_HEX, 0, false },   { 0 }
};

const struct card_member card_index_members[] = { { "id", CARD_ID, 64, false },
						  { "title", CARD_TEXT, 200, false },
						  { "family", CARD_TEXT, 64, false },
						  { "license", CARD_LICENSE, SPDX_MAX_BYTES,
						    false },
						  { "parameters", CARD_COUNT, COUNT_MAX, false },
						  { "context_length", CARD_COUNT, 1 << 30, false },
						  { "tags", CARD_WORDS, CARD_MAX_WORDS, false },
						  { "deprecated", CARD_FLAG, 0, false },
						  { "withdrawn", CARD_FLAG, 0, false },
						  { "replacement", CARD_TEXT, 256, false },
						  { "variants", CARD_NESTED, 0, false },
						  { 0 } };

const struct card_member card_index_variant_members[] = { { "id", CARD_ID, 64, false },
							  { "kind", CARD_ID, 64, false },
							  { "quantization", CARD_TEXT, 64, false },
							  { "size", CARD_COUNT, COUNT_MAX, false },
							  { "default", CARD_FLAG, 0, false },
							  { "version", CARD_COUNT, COUNT_MAX,
							    false },
							  { "ram", CARD_COUNT, COUNT_MAX, false },
							  { "withdrawn", CARD_FLAG, 0, false },
							  { 0 } };

const struct card_member *card_member(const struct card_member *table, const char *key)
{
	for (; table->key; table++)
		if (strcmp(table->key, key) == 0)
			return table;
	return NULL;
}

static int check_text(const struct card_member *m, const json_t *value, uint64_t max,
		      const char *at, struct err *e)
{
	const char *text = json_string_value(value);
	if (!text)
		return err_set(e, ERR_INTEGRITY, "%s: expected a string", at);
	size_t len = json_string_length(value);
	if (len == 0 || len > max)
		return err_set(e, ERR_INTEGRITY, "%s: must have 1 to %llu bytes, but has %zu", at,
			       (unsigned long long)max, len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool line = m->kind == CARD_PROSE && (c == '\n' || c == '\t');
		if ((c < 0x20 && !line) || c == 0x7f)
			return err_set(e, ERR_INTEGRITY, "%s: contains a control character", at);
	}
	return 0;
}

static int check_texts(const struct card_member *m, const json_t *value, uint64_t max_bytes,
		       const char *at, struct err *e)
{
	if (!json_is_array(value))
		return err_set(e, ERR_INTEGRITY, "%s: expected an array of strings", at);
	size_t count = json_array_size(value);
	if (count > m->max)
		return err_set(e, ERR_INTEGRITY, "%s: more than %llu entries", at,
			       (unsigned long long)m->max);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = check_text(m, json_array_get(value, i), max_bytes, at, e);
	return rc;
}

static int check_words(const struct card_member *m, const json_t *value, const char *at,
		       struct err *e)
{
	int rc = check_texts(m, value, CARD_MAX_WORD_BYTES, at, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(value); i++)
		for (size_t j = 0; j < i; j++)
			if (json_equal(json_array_get(value, i), json_array_get(value, j)))
				return err_set(e, ERR_INTEGRITY, "%s: '%s' appears twice", at,
					       json_string_value(json_array_get(value, i)));
	return rc;
}

static int check_string(const struct card_member *m, const json_t *value, const char *at,
			struct err *e)
{
	static const uint64_t longest = LINK_MAX;
	bool free_text = m->kind == CARD_TEXT || m->kind == CARD_PROSE || m->kind == CARD_LICENSE;
	int rc = check_text(m, value, free_text ? m->max : longest, at, e);
	if (rc < 0 || free_text)
		return rc;
	const char *text = json_string_value(value), *fault;
	struct digest digest;
	int64_t time_s;
	if (m->kind == CARD_ID && !path_is_id(text))
		return err_set(e, ERR_INTEGRITY,
			       "%s: '%s' is not a valid name (at most 64 of a-z, 0-9, '.', '_', "
			       "'-', starting with a letter or digit)",
			       at, text);
	if (m->kind == CARD_URL && (fault = link_fault(text, false)))
		return err_set(e, ERR_INTEGRITY, "%s: '%s' cannot be published as a URL: %s", at,
			       link_shown(text), fault);
	if (m->kind == CARD_TIME && !parse_time(text, &time_s))
		return err_set(e, ERR_INTEGRITY,
			       "%s: '%s' is not a time of the form 2026-01-02T03:04:05Z", at, text);
	if (m->kind == CARD_HEX && !hex_decode(&digest, sizeof digest, text, false))
		return err_set(e, ERR_INTEGRITY, "%s: expected 64 lower-case hex digits", at);
	return 0;
}

static int check_count(const struct card_member *m, const json_t *value, const char *at,
		       struct err *e)
{
	if (!json_is_integer(value))
		return err_set(e, ERR_INTEGRITY, "%s: expected an integer", at);
	json_int_t n = json_integer_value(value);
	if (n < 1 || (uint64_t)n > m->max)
		return err_set(e, ERR_INTEGRITY, "%s: %lld is not in the range 1 to %llu", at,
			       (long long)n, (unsigned long long)m->max);
	return 0;
}

int card_check_value(const struct card_member *m, const json_t *value, const char *at,
		     struct err *e)
{
	switch (m->kind) {
	case CARD_COUNT:
		return check_count(m, value, at, e);
	case CARD_FLAG:
		if (!json_is_boolean(value))
			return err_set(e, ERR_INTEGRITY, "%s: expected true or false", at);
		return 0;
	case CARD_WORDS:
		return check_words(m, value, at, e);
	case CARD_SENTENCES:
		return check_texts(m, value, CARD_MAX_SENTENCE_BYTES, at, e);
	case CARD_TEXT:
	case CARD_PROSE:
	case CARD_LICENSE:
	case CARD_ID:
	case CARD_URL:
	case CARD_TIME:
	case CARD_HEX:
		return check_string(m, value, at, e);
	case CARD_NESTED:
	case CARD_END:
		break;
	}
	return 0;
}

int card_check_members(const json_t *object, const char *at, const struct card_member *table,
		       struct err *e)
{
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: expected an object",
			       *at ? at : "the document");
	for (; table->key; table++) {
		const json_t *value = json_object_get(object, table->key);
		char path[512];
		snprintf(path, sizeof path, "%s%s%s", at, *at ? "." : "", table->key);
		int rc = value ? card_check_value(table, value, path, e) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}
