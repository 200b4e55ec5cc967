/* ferry prepare: makes a GGUF, its manifest and its card from a source; --check only validates. */
#include "cli/frame/cli.h"
#include "cli/inspect.h"

#include "prepare/prepare.h"
#include "util/mem.h"

#include <string.h>
#include <time.h>

extern const struct command cmd_prepare;

struct prepare_opts {
	struct prepare wanted; /* the part that options set */
	const char *projector, *draft, *imatrix;
	struct opt_list sha256, set, adapters;
	bool check, data, keep_imatrix;
};

static const struct opt opts[] = {
	OPT_HEADING("What to do"),
	OPT_HINTED(OPT_STRING, prepare_opts, wanted.output_dir, 'o', "output", "DIR", HINT_DIR,
		   "the folder to write to (models/NAME)"),
	OPT_ENTRY(OPT_STRING, prepare_opts, wanted.variant, 0, "variant", "ID",
		  "the variant's name (the quantization in lower case); the same as NAME:VARIANT"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, check, 0, "check", NULL,
		  "only validate the given files; write nothing"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, data, 0, "data", NULL,
		  "with --check: read the data, too, and look for NaN, infinite numbers and zeros"),
	OPT_HEADING("Source"),
	OPT_ENTRY(OPT_LIST, prepare_opts, sha256, 0, "sha256", "HEX",
		  "the expected SHA-256 of the source; for several shards, one for each in order"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, wanted.keep_source, 0, "keep-source", NULL,
		  "keep the download for another variant of the same source"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, wanted.link, 0, "link", NULL,
		  "hard-link a local source instead of copying it: whoever changes it then changes "
		  "what was prepared"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, wanted.allow_foreign_types, 0, "allow-foreign-types",
		  NULL,
		  "accept tensor types that only a fork of llama.cpp can load; the card says "
		  "which"),
	OPT_HEADING("Files that are used together with the model, and belong to the variant"),
	OPT_HINTED(OPT_STRING, prepare_opts, projector, 0, "projector", "SOURCE", HINT_FILE,
		   "a projector for images or sound (mmproj-….gguf): a file, a URL, or hf:…"),
	OPT_HINTED(OPT_LIST, prepare_opts, adapters, 0, "adapter", "SOURCE", HINT_FILE,
		   "a LoRA adapter of the model; may be repeated"),
	OPT_HINTED(OPT_STRING, prepare_opts, draft, 0, "draft", "SOURCE", HINT_FILE,
		   "a smaller model with the same vocabulary, which guesses ahead"),
	OPT_HINTED(OPT_STRING, prepare_opts, imatrix, 0, "imatrix", "SOURCE", HINT_FILE,
		   "an importance matrix; with --quantize, a file that is only used for that"),
	OPT_HEADING("Conversion, by llama.cpp's tools"),
	OPT_OFFERED(OPT_STRING, prepare_opts, wanted.outtype, 0, "outtype", "TYPE",
		    "f32 f16 bf16 q8_0 tq1_0 tq2_0 auto",
		    "convert a Hugging Face folder to this type: f32, f16, bf16, q8_0, tq1_0, "
		    "tq2_0, "
		    "auto"),
	OPT_ENTRY(OPT_STRING, prepare_opts, wanted.quantize, 0, "quantize", "TYPE",
		  "quantize with llama-quantize: Q4_K_M, Q5_K_M, Q8_0, …"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, keep_imatrix, 0, "keep-imatrix", NULL,
		  "the importance matrix of --quantize becomes a file of the variant, too"),
	OPT_ENTRY(OPT_FLAG, prepare_opts, wanted.allow_requantize, 0, "allow-requantize", NULL,
		  "allow quantizing a quantized source, with loss of quality"),
	OPT_HEADING("Model card"),
	OPT_ENTRY(OPT_LIST, prepare_opts, set, 0, "set", "KEY=VALUE",
		  "set a member of the card: title=…, summary=…, license.id=MIT, tags=chat,small"),
	OPT_HINTED(OPT_STRING, prepare_opts, wanted.card, 0, "card", "FILE", HINT_FILE,
		   "start from this card; it takes precedence over the model's metadata"),
	OPT_ENTRY(OPT_U64, prepare_opts, wanted.context, 0, "context", "N",
		  "context length in tokens for the memory estimate (the model's own)"),
	OPT_LAST,
};

/* ---- prepare ------------------------------------------------------------------------ */

static void put_files(json_t *o, const struct prepare_result *r)
{
	json_t *files = json_put_array(o, "files");
	for (size_t i = 0; i < r->file_count; i++) {
		const struct prepare_file *f = &r->files[i];
		json_t *file = json_push_object(files);
		json_put_string(file, "path", f->path);
		json_put_string(file, "manifest", f->manifest);
		json_put_string(file, "target", f->target);
		json_put_string(file, "role", f->role);
		json_put_u64(file, "size", f->size);
		json_put_hex(file, "sha256", f->sha256.bytes, DIGEST_SIZE);
	}
}

static void put_hub(json_t *o, const struct prepare_hub *hub)
{
	if (!hub->repo)
		return;
	json_t *source = json_put_object(o, "hub");
	json_put_string(source, "repository", hub->repo);
	json_put_string(source, "revision", hub->revision);
	json_put_string(source, "commit", hub->commit);
	json_put(source, "files", json_strings(&hub->files));
}

static void put_warnings(json_t *o, const struct prepare_result *r)
{
	json_t *warnings = json_put_array(o, "warnings");
	for (size_t i = 0; i < r->warning_count; i++) {
		const struct prepare_warning *w = &r->warnings[i];
		json_t *warning = json_push_object(warnings);
		json_put_string(warning, "file", w->file);
		json_put_string(warning, "code", w->code);
		json_put_string(warning, "text", w->text);
	}
}

static json_t *prepared(struct cli *cli, const struct prepare *p, const struct prepare_result *r)
{
	json_t *o = cli_document(cli);
	json_put_string(o, "name", p->name);
	json_put_string(o, "variant", r->variant);
	json_put_string(o, "kind", gguf_kind_name(r->kind));
	json_put_string(o, "quantization", r->quantization);
	json_put_string(o, "directory", r->output_dir);
	json_put_string(o, "card", r->card_path);
	json_put_bool(o, "card_changed", r->card_changed);
	json_put_bool(o, "made", r->made);
	json_put_bool(o, "converted", r->converted);
	json_put_bool(o, "quantized", r->quantized);
	json_put_string(o, "llama_quantize_build", r->tool_build);
	json_put_u64(o, "received", r->received);
	json_put_string(o, "provenance", r->provenance);
	put_hub(o, &r->hub);
	put_files(o, r);
	json_t *ram = json_put_object(o, "ram");
	if (r->ram.known) {
		json_put_u64(ram, "context", r->ram.context);
		json_put_u64(ram, "bytes", r->ram.total);
	} else {
		json_put_string(ram, "unknown", r->ram.reason);
	}
	put_warnings(o, r);
	return o;
}

static void print_prepared(struct cli *cli, const json_t *document, bool licensed)
{
	const json_t *file;
	size_t i;
	cli_say(cli, document,
		json_is_true(json_object_get(document, "made"))
			? "{name}:{variant} is prepared"
			: "{name}:{variant} was already prepared{card_changed?; its card is "
			  "updated:: nothing to do}");
	json_array_foreach (json_object_get(document, "files"), i, file) {
		cli_say(cli, file, "  file    {path} ({role|}{role?, :}{size:size})");
		cli_say(cli, file, "  sha256  {sha256}");
	}
	cli_say(cli, document,
		json_object_get(json_object_get(document, "ram"), "unknown")
			? "  memory  unknown: {ram.unknown}"
			: "  memory  about {ram.bytes:size} for a context of {ram.context}");
	cli_say(cli, document, "  card    {card}");
	if (json_object_get(document, "provenance"))
		cli_say(cli, document, "  origin  {provenance}");
	if (!licensed)
		cli_line(cli,
			 "The card has no license yet: add --set license.id=…, or edit the card.");
	cli_say(cli, document, "Next: ferry catalog add {directory}");
}

static int parse_digests(const struct opt_list *hex, struct digest **out, struct err *e)
{
	CLEANUP(mem_free_ptr) struct digest *digests =
		mem_alloc((hex->count + 1) * sizeof *digests);
	for (size_t i = 0; i < hex->count; i++)
		if (!digest_parse(&digests[i], hex->at[i])) {
			err_set(e, ERR_USAGE, "--sha256: '%s' is not a SHA-256", hex->at[i]);
			return err_hint(e, "expected 64 hex digits");
		}
	*out = STEAL(digests);
	return 0;
}

static void add_companion(struct prepare_companion *to, size_t *count, const char *role,
			  const char *source)
{
	if (source)
		to[(*count)++] = (struct prepare_companion){ role, source };
}

/* The importance matrix is for --quantize, or a companion, or both. */
static int take_companions(const struct prepare_opts *o, struct prepare *p,
			   struct prepare_companion *to, struct err *e)
{
	size_t *count = &p->companion_count;
	if (o->keep_imatrix && !(o->imatrix && p->quantize)) {
		err_set(e, ERR_USAGE, "--keep-imatrix belongs to --quantize and --imatrix");
		return err_hint(e, "without --quantize, --imatrix alone makes the matrix a file of "
				   "the variant");
	}
	p->companions = to;
	p->imatrix = p->quantize ? o->imatrix : NULL;
	add_companion(to, count, CARD_PROJECTOR, o->projector);
	for (size_t i = 0; i < o->adapters.count; i++)
		add_companion(to, count, CARD_ADAPTER, o->adapters.at[i]);
	add_companion(to, count, CARD_DRAFT, o->draft);
	if (!p->quantize || o->keep_imatrix)
		add_companion(to, count, CARD_IMATRIX, o->imatrix);
	return 0;
}

/* NAME or NAME:VARIANT. */
static int split_name(const char *operand, const char *option, char **name, char **variant,
		      struct err *e)
{
	const char *colon = strchr(operand, ':');
	if (colon && option && strcmp(colon + 1, option) != 0) {
		err_set(e, ERR_USAGE, "the variant is named twice: '%s' and --variant=%s",
			colon + 1, option);
		return err_hint(e, "use either NAME:VARIANT or --variant");
	}
	*name = colon ? mem_strndup(operand, (size_t)(colon - operand)) : mem_strdup(operand);
	*variant = colon ? mem_strdup(colon + 1) : option ? mem_strdup(option) : NULL;
	return 0;
}

static int run_prepare(struct cli *cli, const struct prepare_opts *o, struct err *e)
{
	struct prepare p = o->wanted;
	const struct conf *conf;
	CLEANUP(settings_prepare_release) struct settings_prepare settings = { 0 };
	CLEANUP(mem_free_ptr) struct digest *digests = NULL;
	CLEANUP(mem_free_ptr) struct prepare_companion *companions =
		mem_alloc((o->adapters.count + 3) * sizeof *companions);
	CLEANUP(prepare_result_release) struct prepare_result result = { 0 };
	CLEANUP(mem_free_ptr) char *name = NULL, *variant = NULL;
	if (cli->count < 2) {
		err_set(e, ERR_USAGE, "a SOURCE is missing");
		return err_hint(e, "usage: ferry prepare NAME[:VARIANT] SOURCE…, or ferry prepare "
				   "--check FILE…");
	}
	int rc = split_name(cli->operands[0], p.variant, &name, &variant, e);
	if (rc == 0)
		rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = settings_prepare_read(conf, &settings, e);
	if (rc == 0)
		rc = parse_digests(&o->sha256, &digests, e);
	if (rc == 0)
		rc = take_companions(o, &p, companions, e);
	if (rc < 0)
		return rc;
	p.name = name;
	p.variant = variant;
	p.sources = (const char *const *)cli->operands + 1;
	p.source_count = (size_t)cli->count - 1;
	p.sha256 = digests;
	p.sha256_count = o->sha256.count;
	p.set = o->set.at;
	p.set_count = o->set.count;
	p.now_s = (int64_t)time(NULL);
	p.settings = &settings;
	p.report = cli->report;
	p.cancel = cli->cancel;
	rc = prepare_run(&p, &result, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = prepared(cli, &p, &result);
	print_prepared(cli, document, result.card.license);
	return cli_result(cli, document, e);
}

static bool makes_something(const struct prepare_opts *o)
{
	const struct prepare nothing = { .allow_foreign_types = o->wanted.allow_foreign_types };
	return o->sha256.count || o->set.count || o->adapters.count || o->projector || o->draft ||
	       o->imatrix || o->keep_imatrix || memcmp(&o->wanted, &nothing, sizeof nothing) != 0;
}

static int run(struct cli *cli, struct err *e)
{
	const struct prepare_opts *o = cli->opts;
	if (o->check && makes_something(o)) {
		err_set(e, ERR_USAGE,
			"--check only validates files, so it cannot be combined with options for "
			"making something");
		return err_hint(e, "usage: ferry prepare --check FILE…");
	}
	if (o->data && !o->check) {
		err_set(e, ERR_USAGE, "--data belongs to --check");
		return err_hint(e, "ferry prepare looks at the data in any case");
	}
	return o->check ? inspect_run(cli, o->data, o->wanted.allow_foreign_types, e)
			: run_prepare(cli, o, e);
}

static const char *const synopsis[] = { "NAME[:VARIANT] SOURCE…",
					"--check [--data] [--allow-foreign-types] FILE…", NULL };

const struct command cmd_prepare = {
	.name = "prepare",
	.summary = "make a GGUF, its manifest and its card from a source",
	.synopsis = synopsis,
	.description =
		"SOURCE is a GGUF or its shards, a URL (several are alternatives for the same "
		"file), an archive, a Hugging Face folder, or hf:OWNER/REPO[@REVISION][:FILE] on "
		"the Hugging Face Hub, where FILE may be a quantization. The result, by default in "
		"models/NAME, is the GGUF under its final name, its manifest, and the model card.",
	.opts = opts,
	.opts_size = sizeof(struct prepare_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
