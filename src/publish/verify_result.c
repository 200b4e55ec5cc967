#include "publish/verify_result.h"

#include "publish/push.h"
#include "util/mem.h"

#include <string.h>

void verify_mirror_release(struct verify_mirror *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->files[i].error);
	mem_free_ptr(&m->files);
	mem_free_ptr(&m->url);
	mirror_findings_release(&m->readers);
	m->count = 0;
}

bool verify_verdict_is_bad(enum verify_verdict v)
{
	return v == VERIFY_MISSING || v == VERIFY_WRONG_SIZE || v == VERIFY_CORRUPT ||
	       v == VERIFY_STALE || v == VERIFY_FOREIGN || v == VERIFY_CHANGED;
}

bool verify_is_no_mirror(const struct verify_mirror *m)
{
	return err_is(&m->error, ERR_INTEGRITY) && m->verdicts[VERIFY_FOREIGN] &&
	       !m->verdicts[VERIFY_UNREACHABLE];
}

bool verify_is_bad(const struct verify_mirror *m)
{
	for (int v = 0; v < VERIFY_VERDICTS; v++)
		if (m->verdicts[v] && verify_verdict_is_bad((enum verify_verdict)v))
			return true;
	return m->expired;
}

const char *verify_verdict_name(enum verify_verdict v)
{
	static const char *const names[] = { "none",        "ok",          "unverified", "missing",
					     "wrong-size",  "corrupt",     "stale",      "foreign",
					     "unreachable", "not-checked", "changed" };
	return names[v];
}

const char *verify_how_name(enum verify_how h)
{
	static const char *const names[] = { "size", "digest", "composite", "sample", "bytes" };
	return names[h];
}

const char *verify_unverified_reason(const struct verify_file *f)
{
	return f->other_parts ? "size only: content not checked (the mirror reports a composite "
				"checksum of other parts)"
			      : "size only: content not checked";
}

static void describe_ok(const struct verify_file *f, struct buf *out)
{
	if (f->how == VERIFY_BY_DIGEST)
		buf_adds(out, "digest reported by the mirror");
	else if (f->how == VERIFY_BY_COMPOSITE)
		buf_adds(out, "composite checksum reported by the mirror");
	else if (f->how == VERIFY_BY_SAMPLE)
		buf_addf(out, "%u pieces sampled", f->audit.pieces);
	else
		buf_adds(out, "all bytes");
}

void verify_describe(const struct verify_file *f, struct buf *out)
{
	switch (f->verdict) {
	case VERIFY_OK:
		describe_ok(f, out);
		break;
	case VERIFY_UNVERIFIED:
		buf_adds(out, verify_unverified_reason(f));
		break;
	case VERIFY_WRONG_SIZE:
		buf_addf(out, "%llu bytes instead of %llu", (unsigned long long)f->actual_size,
			 (unsigned long long)f->file->size);
		break;
	case VERIFY_CORRUPT:
		if (f->how == VERIFY_BY_DIGEST)
			buf_adds(out, "the mirror reports another digest");
		else
			audit_describe(&f->audit, out);
		break;
	case VERIFY_STALE:
		buf_adds(out, "of an older release");
		break;
	case VERIFY_FOREIGN:
		buf_adds(out, f->error ? f->error : "of another publisher's release");
		break;
	case VERIFY_UNREACHABLE:
		buf_adds(out, f->error ? f->error : "not read");
		break;
	case VERIFY_CHANGED:
		buf_adds(out, f->error ? f->error : "no longer this version");
		break;
	case VERIFY_NONE:
	case VERIFY_MISSING:
	case VERIFY_NOT_CHECKED:
	case VERIFY_VERDICTS:
		break;
	}
}

const char *verify_mirror_result(const struct verify_mirror *m)
{
	if (verify_is_bad(m))
		return "fault";
	if (m->verdicts[VERIFY_NOT_CHECKED])
		return "interrupted";
	if (m->error.class || m->verdicts[VERIFY_UNREACHABLE])
		return "unreachable";
	return m->verdicts[VERIFY_UNVERIFIED] ? "unverified" : "ok";
}

static bool is_graver(enum err_class class, enum err_class than)
{
	return !than || push_gravity(class) > push_gravity(than);
}

/* Why the mirror could not be read, or some of its files could not; false if all could. */
static bool unread(const struct verify_mirror *m, enum err_class *class, const char **why)
{
	*class = m->error.class;
	*why = m->error.class ? m->error.text : "some files could not be read";
	for (size_t i = 0; !m->error.class && i < m->count; i++)
		if (m->files[i].verdict == VERIFY_UNREACHABLE &&
		    is_graver(m->files[i].class, *class))
			*class = m->files[i].class;
	return *class != ERR_NONE;
}

int verify_sum_up(const struct verify_mirror *mirrors, size_t count, struct err *e)
{
	enum err_class worst = ERR_NONE, class;
	const char *worst_why = NULL, *worst_hint = NULL, *why;
	unsigned bad = 0, lost = 0;
	for (size_t i = 0; i < count; i++) {
		bad += verify_is_bad(&mirrors[i]);
		if (!unread(&mirrors[i], &class, &why))
			continue;
		lost++;
		if (is_graver(class, worst)) {
			worst = class;
			worst_why = why;
			worst_hint = mirrors[i].error.hint;
		}
	}
	if (bad)
		return err_set(e, ERR_FAULT, "%u of %zu mirrors have faults", bad, count);
	if (!lost)
		return 0;
	err_set(e, worst, "%u of %zu mirrors could not be verified: %s", lost, count, worst_why);
	if (worst_hint && worst_hint[0])
		return err_hint(e, "%s", worst_hint);
	return err_hint(e, "nothing wrong was found in what could be read; try again later");
}
