#include "cli/several.h"
#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/threads.h"

#include <pthread.h>
#include <string.h>

/* A blob: hashed once, whoever has it. */
struct hashing {
	const struct store_variant *variant; /* the first that has it */
	const struct store_file *file;
	char *task;
	int rc;
	struct err why;
	bool done;
};

/* A line of the result. */
struct line {
	const struct store_variant *variant;
	const struct store_file *file; /* NULL: the record of the variant is damaged */
	size_t hashing;
};

struct verify {
	struct cli *cli;
	struct stock stock;
	struct hashing *hashings;
	size_t count, cap;
	struct line *lines;
	size_t line_count, line_cap;
	uint64_t bytes;

	pthread_mutex_t lock; /* of what follows, and of hashing.done */
	json_t *files;
	size_t printed; /* lines */
	size_t bad;
	struct err unreadable; /* why the first one could not be read */
	struct err cancelled;
};

static void verify_init(struct verify *x, struct cli *cli, json_t *document)
{
	*x = (struct verify){ .cli = cli, .files = json_put_array(document, "files") };
	pthread_mutex_init(&x->lock, NULL);
}

static void verify_release(struct verify *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->hashings[i].task);
	free(x->hashings);
	free(x->lines);
	stock_release(&x->stock);
	pthread_mutex_destroy(&x->lock);
}

/* -- what is to be hashed -------------------------------------------------------------------- */

/* Files of different models may have one name, but their tasks must not. */
static char *task_name(const struct verify *x, const struct store_variant *v, const char *name)
{
	for (size_t i = 0; i < x->count; i++)
		if (strcmp(x->hashings[i].task, name) == 0)
			return mem_printf("%s:%s/%s", v->model, v->variant, name);
	return mem_strdup(name);
}

static size_t add_hashing(struct verify *x, const struct store_variant *v,
			  const struct store_file *f)
{
	for (size_t i = 0; i < x->count; i++)
		if (digest_equal(&x->hashings[i].file->sha256, &f->sha256))
			return i;
	x->hashings = mem_grow(x->hashings, x->count, &x->cap, sizeof *x->hashings);
	x->hashings[x->count] = (struct hashing){
		.variant = v,
		.file = f,
		.task = task_name(x, v, f->name),
		.why = ERR_INIT,
	};
	x->bytes += f->size;
	return x->count++;
}

static void add_line(struct verify *x, const struct line *line)
{
	x->lines = mem_grow(x->lines, x->line_count, &x->line_cap, sizeof *x->lines);
	x->lines[x->line_count++] = *line;
}

static void add_variant(struct verify *x, const struct store_variant *v)
{
	if (!v->file_count)
		add_line(x, &(struct line){ .variant = v });
	for (size_t i = 0; i < v->file_count; i++)
		add_line(x, &(struct line){ v, &v->files[i], add_hashing(x, v, &v->files[i]) });
}

static int add_operand(void *ctx, int i, struct err *e)
{
	struct verify *x = ctx;
	struct stock *s = &x->stock;
	int rc = stock_find(s, x->cli->operands[i], STOCK_ALL, e);
	for (size_t j = 0; rc == 0 && j < s->count; j++)
		add_variant(x, s->found[j]);
	return rc;
}

/* -- the result ------------------------------------------------------------------------------ */

static const char *verdict(int rc)
{
	return rc == 0                ? "ok"
	       : rc == -ERR_INTEGRITY ? "damaged"
	       : rc == -ERR_NOT_FOUND ? "missing"
				      : "unreadable";
}

static void tell_fault(struct verify *x, const struct hashing *h)
{
	struct report *report = x->cli->report;
	if (h->rc == -ERR_INTEGRITY)
		report_warn(report, "%s; %s", h->why.text, h->why.hint);
	else if (h->rc < 0 && h->rc != -ERR_NOT_FOUND)
		report_warn(report, "%s", h->why.text);
	if (h->rc < 0 && h->rc != -ERR_INTEGRITY && h->rc != -ERR_NOT_FOUND && !x->unreadable.class)
		x->unreadable = h->why;
}

static void print_line(struct verify *x, const struct line *line)
{
	const struct store_variant *v = line->variant;
	x->bad += !line->file || x->hashings[line->hashing].rc < 0;
	if (!line->file) {
		/* An unreadable record counts like an unreadable file. */
		report_warn(x->cli->report, "%s: its record is damaged; fetch it again", v->dir);
		return;
	}
	const struct hashing *h = &x->hashings[line->hashing];
	if (h->file == line->file && h->variant == v)
		tell_fault(x, h);
	json_t *file = stock_reference_json(v);
	json_put_string(file, "name", line->file->name);
	json_put_hex(file, "sha256", &line->file->sha256, DIGEST_SIZE);
	json_put_u64(file, "size", line->file->size);
	json_put_string(file, "verdict", verdict(h->rc));
	json_push(x->files, file);
	cli_aloud(x->cli, h->rc < 0);
	cli_say(x->cli, file, "{verdict:7}  {repository}/{model}:{variant}  {name}");
	cli_aloud(x->cli, false);
}

/* With the lock. In the order of the models, whichever file is hashed first. */
static void print_lines(struct verify *x)
{
	for (; x->printed < x->line_count; x->printed++) {
		const struct line *line = &x->lines[x->printed];
		if (line->file && !x->hashings[line->hashing].done)
			return;
		print_line(x, line);
	}
}

static void hash_one(void *ctx, size_t i)
{
	struct verify *x = ctx;
	struct hashing *h = &x->hashings[i];
	h->rc = store_verify_task(&x->stock.store, &h->file->sha256, h->task, &h->why);
	pthread_mutex_lock(&x->lock);
	h->done = h->rc != -ERR_CANCELLED;
	if (!h->done)
		x->cancelled = h->why;
	print_lines(x);
	pthread_mutex_unlock(&x->lock);
}

static int hash_all(struct verify *x, struct err *e)
{
	struct report *report = x->cli->report;
	report_whole(report, x->count, x->bytes);
	print_lines(x);
	/* With one processor, one file is hashed while the other is read. */
	threads_run(MAX(os_processors(), 2), x->count, hash_one, x);
	report_whole(report, 0, 0);
	if (x->cancelled.class)
		*e = x->cancelled;
	return -(int)x->cancelled.class;
}

/* -- the command ----------------------------------------------------------------------------- */

static int run_verify(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(verify_release) struct verify x;
	CLEANUP(several_release) struct several operands;
	verify_init(&x, cli, document);
	several_init(&operands, cli);
	int rc = stock_open(cli, &x.stock, true, e);
	for (size_t i = 0; rc == 0 && cli->count == 0 && i < x.stock.all.count; i++)
		add_variant(&x, &x.stock.all.at[i]);
	if (rc == 0)
		rc = several_each(&operands, add_operand, &x, e);
	if (rc == 0)
		rc = hash_all(&x, e);
	if (rc < 0)
		return rc;
	if (!operands.failed)
		*e = x.unreadable;
	rc = several_result(&operands, document, e);
	return rc < 0 ? rc : x.bad ? -ERR_FAULT : 0;
}

const struct command cmd_store_verify = {
	.name = "verify",
	.summary = "hash the files again, and set damaged ones aside",
	.synopsis = (const char *const[]){ "[" STOCK_REFERENCE "…]", NULL },
	.description = "Prints a verdict for each file. The exit code is 1 if one is damaged or "
		       "missing; fetch the model again to repair it. A file that cannot be read is "
		       "reported, and the others are still hashed.",
	.operand_hint = HINT_STORED,
	.max_operands = -1,
	.run = run_verify,
};
