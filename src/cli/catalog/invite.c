#include "cli/catalog/invite.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

struct invite_opts {
	struct catalog_opts place;
	const char *output;
};

static const struct opt invite_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_HINTED(OPT_STRING, invite_opts, output, 'o', "output", "FILE", HINT_FILE,
		   "also write a small file NAME.ferry, with which users can add the repository"),
	OPT_LAST,
};

void invite_release(struct invite *i)
{
	free(i->root);
	join_release(&i->join);
	*i = (struct invite){ 0 };
}

/* -- what it is ------------------------------------------------------------------------------ */

/* The base URLs for clients' metadata; without mirrors, the tree itself. */
static void metadata_urls(const struct place *p, struct invite *out)
{
	json_t *mirror;
	size_t i;
	json_array_foreach (p->mirrors, i, mirror) {
		enum mirror_holds holds = MIRROR_HOLDS_ALL;
		(void)!holds_parse(json_string_value(json_object_get(mirror, "holds")), &holds);
		if (holds != MIRROR_HOLDS_OBJECTS)
			str_list_add(&out->join.urls,
				     json_string_value(json_object_get(mirror, "url")));
	}
	out->of_tree = out->join.urls.count == 0;
	if (out->of_tree)
		str_list_take(&out->join.urls, path_file_url(p->dir));
}

static int reach(const char *url)
{
	static const char *const schemes[] = { "file:", "http:", "oci:", "https:" };
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_starts_nocase(url, schemes[i]))
			return (int)i;
	return 0;
}

int invite_make(const struct place *p, struct invite *out, struct err *e)
{
	CLEANUP(invite_release) struct invite i = { 0 };
	uint64_t size;
	metadata_urls(p, &i);
	i.base = i.join.urls.at[0];
	for (size_t n = 1; n < i.join.urls.count; n++)
		if (reach(i.join.urls.at[n]) > reach(i.base))
			i.base = i.join.urls.at[n];
	i.is_public = reach(i.base) > 0;
	i.join.name = mem_strdup(p->name);
	i.root = path_join(p->dir, "metadata/1.root.json");
	/* Not stopped by signals: init has made the repository, and this must be reported. */
	int rc = sha256_of_file(i.root, NULL, &i.join.root, &size, e);
	if (rc < 0)
		return rc;
	*out = i;
	i = (struct invite){ 0 };
	return 0;
}

void invite_put(json_t *document, const struct invite *i)
{
	CLEANUP(str_list_release) struct str_list command = { 0 };
	CLEANUP(buf_release) struct buf section = BUF_INIT(256 * KIB);
	CLEANUP(mem_free_ptr) char *print = join_fingerprint(&i->join.root, " ");
	CLEANUP(mem_free_ptr) char *url = join_url(i->base, &i->join.root);
	json_t *root = json_put_object(document, "root");
	json_put_string(root, "path", i->root);
	json_put_hex(root, "sha256", i->join.root.bytes, sizeof i->join.root.bytes);
	json_put_string(root, "fingerprint", print);
	json_put_string(document, "join", url);
	json_put_bool(document, "public", i->is_public);
	join_command(i->base, &i->join.root, &command);
	json_put(document, "client_command", json_strings(&command));
	join_section(&i->join, &section);
	json_put_string(document, "client_configuration", buf_str(&section));
}

void invite_print(struct cli *cli, const json_t *document)
{
	struct digest d;
	CLEANUP(mem_free_ptr) char *word = text_shell_quoted(json_text(document, "join"));
	CLEANUP(mem_free_ptr) char *line = mem_printf("  ferry repository add %s\n", word);
	if (json_is_true(json_object_get(document, "public")))
		cli_raw(cli, "\nGive your users this line, over a channel that they trust:\n\n");
	else
		cli_raw(cli,
			"\nNo mirror in ferry.conf has a URL that others can reach. Set `url` of a "
			"mirror;\nthen `ferry catalog invite` prints the line for them. On this "
			"machine it is:\n\n");
	cli_raw(cli, line);
	if (!digest_parse(&d, json_text(json_object_get(document, "root"), "sha256")))
		return;
	CLEANUP(mem_free_ptr) char *print = join_fingerprint(&d, "\n  ");
	CLEANUP(mem_free_ptr) char *lines = mem_printf("  %s\n", print);
	cli_raw(cli, "\nThey are shown this fingerprint of the root, to compare with yours:\n\n");
	cli_raw(cli, lines);
}

/* -- the file --------------------------------------------------------------------------------- */

/* Replaces only what such a file is. */
static int check_output(const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(JOIN_FILE_MAX_BYTES);
	CLEANUP(join_release) struct join there = { 0 };
	struct err why = ERR_INIT;
	if (!join_is_file(path)) {
		err_set(e, ERR_USAGE, "%s: its name does not end with " JOIN_FILE_SUFFIX, path);
		return err_hint(e, "by that ending, `ferry repository add` knows what it is");
	}
	if (!file_exists(path))
		return 0;
	if (file_read_all(path, &text, &why) == 0 &&
	    join_parse(buf_str(&text), text.len, path, false, &there, &why) == 0)
		return 0;
	err_set(e, ERR_CONFLICT, "%s exists, and is something else", path);
	return err_hint(e, "choose another name, or remove it");
}

static int write_file(const struct place *p, const struct invite *i, const char *path,
		      struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(JOIN_FILE_MAX_BYTES);
	int rc = check_output(path, e);
	if (rc == 0 && i->of_tree) {
		err_set(e, ERR_USAGE, "no mirror in ferry.conf has a URL for your users");
		rc = err_hint(e, "set url of a mirror, see ferry.conf(5)");
	}
	if (rc < 0)
		return rc;
	join_write(&i->join, p->title, &text);
	rc = buf_ok(&text, path, e);
	return rc < 0 ? rc : file_write_atomic(path, text.data, text.len, 0644, e);
}

/* -- the command ----------------------------------------------------------------------------- */

static int need_name(const struct place *p, struct err *e)
{
	if (p->name)
		return 0;
	err_set(e, ERR_USAGE, "no ferry.conf names the repository and its mirrors");
	return err_hint(e, "run this in the folder of the publisher's ferry.conf, or give it with "
			   "--config");
}

static int run_invite(struct cli *cli, struct err *e)
{
	const struct invite_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(invite_release) struct invite i = { 0 };
	int rc = place_load(cli, &o->place, &p, e);
	if (rc == 0)
		rc = need_name(&p, e);
	if (rc == 0)
		rc = invite_make(&p, &i, e);
	if (rc == 0 && o->output)
		rc = write_file(&p, &i, o->output, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "name", p.name);
	invite_put(document, &i);
	json_put_string(document, "file", o->output);
	cli_say(cli, document, "{name}: {root.path}");
	invite_print(cli, document);
	if (o->output)
		cli_note(cli, document,
			 "wrote {file}; put it where only you can change it, not only on a mirror");
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_invite = {
	.name = "invite",
	.asked = true,
	.summary = "print the line with which users add the repository",
	.description =
		"The line has the URL of a mirror in ferry.conf and the SHA-256 of the first root, "
		"1.root.json; users find the other mirrors in the signed catalog. Give it to them "
		"over a channel that they trust, for example on your web site.",
	.opts = invite_opts,
	.opts_size = sizeof(struct invite_opts),
	.run = run_invite,
};
