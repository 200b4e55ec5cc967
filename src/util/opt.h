/*
 * Option tables. One table is the parser, the --help text, the option list of the
 * man page and the shell completion, so they cannot disagree.
 *
 * Values are stored into the caller's struct by offset. Strings are borrowed from
 * argv. Options and operands may be mixed; "--" ends the options; "--opt=value",
 * "--opt value", "-oVALUE", "-o value", and clustered flags "-qv" all work. A flag
 * has its "--no-" form when the table says so.
 */
#ifndef FERRY_UTIL_OPT_H
#define FERRY_UTIL_OPT_H

#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

enum opt_type {
	OPT_END,
	OPT_FLAG,       /* bool */
	OPT_COUNT,      /* int: how often it was given */
	OPT_STRING,     /* const char * */
	OPT_LIST,       /* struct opt_list: repeatable */
	OPT_U64,        /* uint64_t */
	OPT_SIZE,       /* uint64_t bytes: 64K, 1.5GiB */
	OPT_SIZE_MAYBE, /* the same, or OPT_NO_SIZE if no value is given. It is "--opt=VALUE"; the
			   word behind "--opt" is its value if that is a size of 1 MiB or more */
	OPT_DURATION,   /* uint64_t seconds: 90, 15m, 30d */
	OPT_SPAN,       /* the same, but not 0 */
	OPT_CHOICE,     /* int: index into the blank-separated `choices` */
	OPT_GROUP,      /* no option: a heading in --help */
	OPT_MEANT, /* no option: what other tools call one. Whoever gives it is told the first of
		      the blank-separated `choices` that a table has, else `help`; if that is
		      NULL, nothing, and no option that merely looks similar */
};

/* What a value is, for shell completion. */
enum opt_hint {
	HINT_NONE,
	HINT_FILE,
	HINT_DIR,
	HINT_MODEL,   /* in the catalog */
	HINT_STORED,  /* a model in the store */
	HINT_PARTIAL, /* a model with an unfinished download */
	HINT_MIRROR,
	HINT_REPOSITORY,
	HINT_ROLE,   /* of the metadata */
	HINT_KEY,    /* in the folder of keys */
	HINT_OBJECT, /* the key of a file on a mirror */
	HINT_CHECK,  /* of ferry doctor */
};

struct opt {
	enum opt_type type;
	char letter;      /* 0: none */
	const char *name; /* without the dashes */
	const char *arg;  /* "FILE"; NULL for flags */
	const char *help; /* one sentence or two, lower case, no full stop */
	size_t offset;
	const char *choices; /* of OPT_CHOICE; of OPT_STRING and OPT_LIST: what completion offers */
	enum opt_hint hint;
};

#define OPT_NO_SIZE UINT64_MAX

struct opt_list {
	const char **at;
	size_t count, cap;
};

#define OPT_ENTRY(t, s, member, l, n, a, h) \
	BRACES(.type = (t), .letter = (l), .name = (n), .arg = (a), .help = (h), \
	       .offset = offsetof(struct s, member))
#define OPT_HINTED(t, s, member, l, n, a, hint_, h) \
	BRACES(.type = (t), .letter = (l), .name = (n), .arg = (a), .help = (h), \
	       .offset = offsetof(struct s, member), .hint = (hint_))
#define OPT_OFFERED(t, s, member, l, n, a, choices_, h) \
	BRACES(.type = (t), .letter = (l), .name = (n), .arg = (a), .help = (h), \
	       .offset = offsetof(struct s, member), .choices = (choices_))
#define OPT_ENUM(s, member, l, n, a, choices_, h) \
	BRACES(.type = OPT_CHOICE, .letter = (l), .name = (n), .arg = (a), .help = (h), \
	       .offset = offsetof(struct s, member), .choices = (choices_))
#define OPT_HEADING(text) BRACES(.type = OPT_GROUP, .help = (text))
#define OPT_LAST BRACES(.type = OPT_END)

struct opt_table {
	const struct opt *opts;
	void *values; /* the struct that the offsets are of */
};

/*
 * Parses argv[1..argc-1] against all the tables (the first match wins) and moves the
 * operands to the front of argv + 1; *operands is their number. ERR_USAGE names the
 * option; the hint suggests the one that was meant, or the nearest one. With stop_at_operand,
 * parsing ends at the first operand (sub-commands; `run MODEL -- …`).
 */
WARN_UNUSED int opt_parse(const struct opt_table *tables, size_t table_count, int argc, char **argv,
			  bool stop_at_operand, int *operands, struct err *e);

/* Releases the lists among the values. */
void opt_release(const struct opt *opts, void *values);

/* The option list as --help shows it, `width` columns wide. */
void opt_help(struct buf *out, const struct opt *opts, unsigned width);
/* The same list in scdoc's syntax. */
void opt_scdoc(struct buf *out, const struct opt *opts);

#endif
