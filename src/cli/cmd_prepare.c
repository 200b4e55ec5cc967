/* ferry prepare: a source becomes a GGUF with manifest and card; --check only looks. */
#include "cli/frame/cli.h"

#include "prepare/prepare.h"
#include "util/mem.h"

#include <string.h>
#include <time.h>

extern const struct command cmd_prepare;

struct prepare_opts {
	bool check, keep_source, allow_requantize;
	const char *output, *variant, *quantize, *outtype, *imatrix, *card;
	struct opt_list sha256, set;
	uint64_t context;
};

static const struct opt opts[] = {
	OPT_HEADING("What to do"),
	OPT_HINTED(OPT_STRING, prepare_opts, output, 'o', "output", "DIR", HINT_DIR,
		   "the folder to write into (models/NAME)"),
	OPT_ENTRY(OPT_STRING, prepare_opts, variant, 0, "variant", "ID",
		  "the variant's name (the quantization in lower case); NAME:VARIANT says the same"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, check, 0, "check", NULL,
		  "only validate the files given; nothing is written"),
	OPT_HEADING("Source"),
	OPT_ENTRY(OPT_LIST, prepare_opts, sha256, 0, "sha256", "HEX",
		  "what the source must be; for several shards once for each, in order"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, keep_source, 0, "keep-source", NULL,
		  "keep the download, for another variant of the same source"),
	OPT_HEADING("Conversion, by llama.cpp's tools"),
	OPT_ENTRY(OPT_STRING, prepare_opts, outtype, 0, "outtype", "TYPE",
		  "what a Hugging Face folder is converted to: f32, f16, bf16, q8_0, tq1_0, tq2_0, auto"),
	OPT_ENTRY(OPT_STRING, prepare_opts, quantize, 0, "quantize", "TYPE",
		  "quantize with llama-quantize: Q4_K_M, Q5_K_M, Q8_0 and so on"),
	OPT_HINTED(OPT_STRING, prepare_opts, imatrix, 0, "imatrix", "FILE", HINT_FILE,
		   "the importance matrix for --quantize"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, allow_requantize, 0, "allow-requantize", NULL,
		  "quantize what is quantized already, for the worse"),
	OPT_HEADING("Model card"),
	OPT_ENTRY(OPT_LIST, prepare_opts, set, 0, "set", "KEY=VALUE",
		  "set a member of the card: title=…, summary=…, license.id=MIT, tags=chat,small"),
	OPT_HINTED(OPT_STRING, prepare_opts, card, 0, "card", "FILE", HINT_FILE,
		   "start from this card; it wins over what the model says of itself"),
	OPT_ENTRY(OPT_U64, prepare_opts, context, 0, "context", "N",
		  "tokens that the memory estimate is for (the model's own context length)"),
	OPT_LAST,
};

/* ---- --check ------------------------------------------------------------------------ */

struct checked {
	size_t refused, warned, unreadable;
	struct err unreadable_why;      /* of the first */
};

static json_t *findings_json(const struct gguf_findings *f)
{
	json_t *array = json_array();
	for (size_t i = 0; i < f->count; i++) {
		json_t *o = json_object();
		json_put_string(o, "code", f->at[i].code);
		json_put_string(o, "level", f->at[i].note ? "note" : "warning");
		json_put(o, "text", json_string_lossy(f->at[i].text, strlen(f->at[i].text)));
		json_push(array, o);
	}
	return array;
}

static void put_reason(json_t *o, const struct err *why)
{
	json_put(o, "reason", json_string_lossy(why->text, strlen(why->text)));
	if (why->hint[0])
		json_put(o, "hint", json_string_lossy(why->hint, strlen(why->hint)));
}

static void print_reason(struct cli *cli, const char *path, const char *verdict,
			 const struct err *why)
{
	/* The path stands in front anyway. */
	CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
	CLEANUP(mem_free_ptr) char *reason = text_escaped(why->text + why->inner);
	cli_print(cli, "%s: %s: %s\n", shown, verdict, reason);
}

static void print_findings(struct cli *cli, const char *path, const struct gguf_report *r)
{
	struct gguf_metadata m;
	char size[SIZE_TEXT];
	CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
	gguf_metadata(r->file, &m);
	CLEANUP(mem_free_ptr) char *architecture =
		text_escaped(m.architecture ? m.architecture : "unknown architecture");
	cli_print(cli, "%s: %s (%s, %s, %s)\n", shown, gguf_verdict_name(r->verdict), architecture,
		  m.quantization ? m.quantization : "unknown quantization",
		  format_size(size, r->file->file_size));
	for (size_t i = 0; i < r->findings.count; i++) {
		const struct gguf_finding *f = &r->findings.at[i];
		CLEANUP(mem_free_ptr) char *text = text_escaped(f->text);
		if (!f->note || cli->verbose)
			cli_print(cli, "  %s: %s\n", f->note ? "note" : "warning", text);
	}
}

static json_t *check_one(struct cli *cli, const char *path, struct checked *sum)
{
	struct err why = ERR_INIT;
	CLEANUP(gguf_report_release) struct gguf_report r = { 0 };
	json_t *o = json_object();
	json_put(o, "path", json_string_lossy(path, strlen(path)));
	if (gguf_check_path(path, &r, &why) < 0) {
		sum->unreadable++;
		if (sum->unreadable_why.class == ERR_NONE)
			sum->unreadable_why = why;
		json_put_string(o, "verdict", "unreadable");
		put_reason(o, &why);
		if (!cli->json)
			print_reason(cli, path, "unreadable", &why);
		return o;
	}
	json_put_string(o, "verdict", gguf_verdict_name(r.verdict));
	sum->refused += r.verdict == GGUF_REFUSED;
	sum->warned += r.verdict == GGUF_WARNINGS;
	if (r.verdict == GGUF_REFUSED) {
		put_reason(o, &r.reason);
		if (!cli->json)
			print_reason(cli, path, "refused", &r.reason);
	} else {
		json_put_u64(o, "size", r.file->file_size);
		json_put(o, "gguf", gguf_json(r.file));
		json_put(o, "findings", findings_json(&r.findings));
		if (!cli->json)
			print_findings(cli, path, &r);
	}
	return o;
}

static int check_verdict(const struct checked *sum, size_t count, struct err *e)
{
	if (sum->refused) {
		err_set(e, ERR_INTEGRITY, "%zu of %zu file%s refused", sum->refused, count,
			count == 1 ? " is" : "s are");
		return err_hint(e, "such a file must not be published: get it again, or make it again");
	}
	if (sum->unreadable) {
		*e = sum->unreadable_why;
		return -(int)e->class;
	}
	return 0;
}

static int run_check(struct cli *cli, int count, char **paths, struct err *e)
{
	struct checked sum = { .unreadable_why = ERR_INIT };
	CLEANUP(json_release) json_t *document = json_object();
	json_t *files = json_array();
	json_put_string(document, "command", "prepare");
	json_put(document, "files", files);
	for (int i = 0; i < count; i++)
		json_push(files, check_one(cli, paths[i], &sum));
	int rc = check_verdict(&sum, (size_t)count, e);
	if (!cli->json)
		return rc;
	json_put_u64(document, "refused", sum.refused);
	json_put_u64(document, "warnings", sum.warned);
	json_put_u64(document, "unreadable", sum.unreadable);
	if (rc < 0)
		json_put(document, "error", cli_error_json(e));
	cli->answered = true;
	struct err print = ERR_INIT;
	int printed = cli_print_json(cli, STEAL(document), &print);
	if (printed < 0 && rc == 0)
		*e = print;
	return rc < 0 ? rc : printed;
}

/* ---- prepare ------------------------------------------------------------------------ */

static json_t *result_json(const struct prepare *p, const struct prepare_result *r)
{
	json_t *o = json_object(), *files = json_array(), *warnings = json_array();
	json_t *ram = json_object();
	json_put_string(o, "command", "prepare");
	json_put_string(o, "name", p->name);
	json_put_string(o, "variant", r->variant);
	json_put_string(o, "quantization", r->quantization);
	json_put_string(o, "directory", r->output_dir);
	json_put_string(o, "card", r->card_path);
	json_put_bool(o, "card_changed", r->card_changed);
	json_put_bool(o, "made", r->made);
	json_put_bool(o, "converted", r->converted);
	json_put_bool(o, "quantized", r->quantized);
	json_put_string(o, "llama_quantize_build", r->tool_build);
	json_put_u64(o, "received", r->received);
	for (size_t i = 0; i < r->file_count; i++) {
		const struct prepare_file *f = &r->files[i];
		json_t *file = json_object();
		json_put_string(file, "path", f->path);
		json_put_string(file, "manifest", f->manifest);
		json_put_string(file, "target", f->target);
		json_put_u64(file, "size", f->size);
		json_put_hex(file, "sha256", f->sha256.bytes, DIGEST_SIZE);
		json_push(files, file);
	}
	json_put(o, "files", files);
	if (r->ram.known) {
		json_put_u64(ram, "context", r->ram.context);
		json_put_u64(ram, "bytes", r->ram.total);
	} else {
		json_put_string(ram, "unknown", r->ram.reason);
	}
	json_put(o, "ram", ram);
	for (size_t i = 0; i < r->warning_count; i++) {
		const struct prepare_warning *w = &r->warnings[i];
		json_t *warning = json_object();
		json_put(warning, "file", json_string_lossy(w->file, strlen(w->file)));
		json_put_string(warning, "code", w->code);
		json_put(warning, "text", json_string_lossy(w->text, strlen(w->text)));
		json_push(warnings, warning);
	}
	json_put(o, "warnings", warnings);
	return o;
}

static void print_ram(struct cli *cli, const struct gguf_ram *ram)
{
	char size[SIZE_TEXT];
	if (ram->known)
		cli_print(cli, "  memory  about %s for a context of %llu\n",
			  format_size(size, ram->total), (unsigned long long)ram->context);
	else
		cli_print(cli, "  memory  unknown: %s\n", ram->reason);
}

static void print_result(struct cli *cli, const struct prepare *p, const struct prepare_result *r)
{
	char size[SIZE_TEXT], hex[DIGEST_HEX];
	cli_print(cli, "%s:%s %s\n", p->name, r->variant,
		  r->made ? "is prepared" : r->card_changed ? "was prepared before; its card is updated"
							    : "was prepared before: nothing to do");
	for (size_t i = 0; i < r->file_count; i++) {
		const struct prepare_file *f = &r->files[i];
		CLEANUP(mem_free_ptr) char *path = text_escaped(f->path);
		cli_print(cli, "  file    %s (%s)\n  sha256  %s\n", path, format_size(size, f->size),
			  digest_hex(hex, &f->sha256));
	}
	CLEANUP(mem_free_ptr) char *card = text_escaped(r->card_path);
	CLEANUP(mem_free_ptr) char *dir = text_escaped(r->output_dir);
	print_ram(cli, &r->ram);
	cli_print(cli, "  card    %s\n", card);
	if (!r->card.license)
		cli_print(cli, "The card names no license yet: add --set license.id=…, or edit it.\n");
	cli_print(cli, "Next: ferry catalog add %s\n", dir);
}

static int parse_digests(const struct opt_list *hex, struct digest **out, struct err *e)
{
	CLEANUP(mem_free_ptr) struct digest *digests = mem_alloc((hex->count + 1) * sizeof *digests);
	for (size_t i = 0; i < hex->count; i++)
		if (!digest_parse(&digests[i], hex->at[i])) {
			err_set(e, ERR_USAGE, "--sha256: '%s' is no SHA-256", hex->at[i]);
			return err_hint(e, "64 hex digits are wanted");
		}
	*out = STEAL(digests);
	return 0;
}

/* NAME or NAME:VARIANT. */
static int split_name(const char *operand, const char *option, char **name, char **variant,
		      struct err *e)
{
	const char *colon = strchr(operand, ':');
	if (colon && option && strcmp(colon + 1, option) != 0) {
		err_set(e, ERR_USAGE, "two names for the variant: '%s' and --variant=%s", colon + 1,
			option);
		return err_hint(e, "NAME:VARIANT and --variant say the same; give one of them");
	}
	*name = colon ? mem_strndup(operand, (size_t)(colon - operand)) : mem_strdup(operand);
	*variant = colon ? mem_strdup(colon + 1) : option ? mem_strdup(option) : NULL;
	return 0;
}

static int run_prepare(struct cli *cli, const struct prepare_opts *o, int count, char **operands,
		       struct err *e)
{
	const struct conf *conf;
	CLEANUP(tools_release) struct tools tools = { 0 };
	CLEANUP(mem_free_ptr) struct digest *digests = NULL;
	CLEANUP(prepare_result_release) struct prepare_result result = { 0 };
	CLEANUP(mem_free_ptr) char *name = NULL, *variant = NULL;
	if (count < 2) {
		err_set(e, ERR_USAGE, "a SOURCE is missing");
		return err_hint(e, "usage: ferry prepare NAME[:VARIANT] SOURCE…, or ferry prepare --check FILE…");
	}
	int rc = split_name(operands[0], o->variant, &name, &variant, e);
	if (rc == 0)
		rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = tools_configure(conf, &tools, e);
	if (rc == 0)
		rc = parse_digests(&o->sha256, &digests, e);
	if (rc < 0)
		return rc;
	struct prepare p = {
		.name = name, .sources = (const char *const *)operands + 1,
		.source_count = (size_t)count - 1, .output_dir = o->output, .variant = variant,
		.quantize = o->quantize, .outtype = o->outtype, .imatrix = o->imatrix,
		.allow_requantize = o->allow_requantize, .keep_source = o->keep_source,
		.sha256 = digests, .sha256_count = o->sha256.count, .set = o->set.at,
		.set_count = o->set.count, .card = o->card, .context = o->context,
		.now_s = (int64_t)time(NULL), .tools = &tools, .report = cli->report,
	};
	rc = prepare_run(&p, &result, e);
	if (rc < 0)
		return rc;
	if (cli->json)
		return cli_print_json(cli, result_json(&p, &result), e);
	print_result(cli, &p, &result);
	return 0;
}

static bool makes_something(const struct prepare_opts *o)
{
	return o->output || o->variant || o->quantize || o->outtype || o->imatrix || o->card ||
	       o->sha256.count || o->set.count || o->keep_source || o->allow_requantize ||
	       o->context;
}

static int run(struct cli *cli, void *values, int count, char **operands, struct err *e)
{
	const struct prepare_opts *o = values;
	if (o->check && makes_something(o)) {
		err_set(e, ERR_USAGE, "--check only looks: it goes with no option that is about making "
			"something");
		return err_hint(e, "usage: ferry prepare --check FILE…");
	}
	return o->check ? run_check(cli, count, operands, e)
			: run_prepare(cli, o, count, operands, e);
}

static const char *const synopsis[] = { "NAME[:VARIANT] SOURCE…", "--check FILE…", NULL };

const struct command cmd_prepare = {
	.name = "prepare",
	.summary = "turn a source into a GGUF with manifest and card",
	.synopsis = synopsis,
	.description = "SOURCE is a GGUF or its shards, a URL (several are fallbacks for each other), an "
		       "archive, or a Hugging Face folder. What comes out, by default in models/NAME, is "
		       "the GGUF under its final name, its manifest, and the model card.",
	.opts = opts,
	.opts_size = sizeof(struct prepare_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
