#include "util/metrics.h"
#include "util/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Backslash and line feed; in label values the quote, too. */
static void add_escaped(struct buf *out, const char *s, bool quote)
{
	for (; *s; s++) {
		if (*s == '\n')
			buf_adds(out, "\\n");
		else if (*s == '\\' || (quote && *s == '"'))
			buf_addf(out, "\\%c", *s);
		else
			buf_addc(out, *s);
	}
}

void metrics_begin(struct buf *out, const struct metric *m)
{
	static const char *const types[] = { "gauge", "counter", "histogram" };
	buf_addf(out, "# HELP %s ", m->name);
	add_escaped(out, m->help, false);
	buf_addf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
}

static void add_labels(struct buf *out, const char *const *labels)
{
	char before = '{';
	for (; labels && labels[0]; labels += 2) {
		buf_addf(out, "%c%s=\"", before, labels[0]);
		add_escaped(out, labels[1] ? labels[1] : "", true);
		buf_addc(out, '"');
		before = ',';
	}
	if (before == ',')
		buf_addc(out, '}');
}

/* As few digits as read back as the same number: 0.1, not 0.10000000000000001. 17 always do. */
static void add_fraction(struct buf *out, double value)
{
	char text[32];
	int digits = 15;
	do
		snprintf(text, sizeof text, "%.*g", digits, value);
	while (digits++ < 17 && strtod(text, NULL) != value);
	buf_adds(out, text);
}

/* Whole numbers in full. */
static void add_number(struct buf *out, double value)
{
	if (isnan(value))
		buf_adds(out, "NaN");
	else if (isinf(value))
		buf_adds(out, value > 0 ? "+Inf" : "-Inf");
	else if (fabs(value) < 1e15 && value == (double)(int64_t)value)
		buf_addf(out, "%.0f", value);
	else
		add_fraction(out, value);
}

void metrics_add(struct buf *out, const struct metric *m, const char *const *labels, double value)
{
	buf_adds(out, m->name);
	add_labels(out, labels);
	buf_addc(out, ' ');
	add_number(out, value);
	buf_addc(out, '\n');
}

void metrics_histogram(struct buf *out, const struct metric *m, const double *bounds,
		       const uint64_t *counts, size_t count, double sum)
{
	uint64_t all = 0;
	for (size_t i = 0; i < count; i++) {
		all += counts[i];
		buf_addf(out, "%s_bucket{le=\"", m->name);
		add_number(out, bounds[i]);
		buf_addf(out, "\"} %llu\n", (unsigned long long)all);
	}
	buf_addf(out, "%s_sum ", m->name);
	add_number(out, sum);
	buf_addf(out, "\n%s_count %llu\n", m->name, (unsigned long long)all);
}

void metrics_single(struct buf *out, const struct metric *m, double value)
{
	metrics_begin(out, m);
	metrics_add(out, m, NULL, value);
}

int metrics_write(const char *path, const struct buf *text, struct err *e)
{
	int rc = buf_ok(text, "the text of the metrics", e);
	return rc < 0 ? rc
		      : file_write_atomic(path, text->data ? text->data : "", text->len,
					  FILE_PUBLIC_MODE, e);
}
