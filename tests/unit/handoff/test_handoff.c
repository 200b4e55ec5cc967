#include "handoff/handoff.h"

#include "ggufbuild.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <unistd.h>

struct fixture {
	char *dir, *root; /* where an engine looks */
	struct store store;
	struct store_variant v;
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	f->root = path_join(f->dir, "engine");
	CLEANUP(mem_free_ptr) char *home = path_join(f->dir, "home");
	assert_ok(store_open(home, &f->store, &e), &e);
	f->v = (struct store_variant){
		.repository = mem_strdup("main"),
		.model = mem_strdup("phi-2"),
		.variant = mem_strdup("q4_k_m"),
		.version = 1,
		.complete = true,
		.files = mem_alloc(8 * sizeof *f->v.files),
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_variant_release(&f->v);
	store_close(&f->store);
	scratch_free(f->dir);
	free(f->root);
	free(f);
	return 0;
}

static void add(struct fixture *f, const char *name, const char *role, const void *data, size_t len)
{
	struct store_file file = { .name = mem_strdup(name), .size = len };
	sha256_of(data, len, &file.sha256);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &file.sha256);
	scratch_write(f->dir, blob + strlen(f->dir) + 1, data, len);
	file.role = role ? mem_strdup(role) : NULL;
	f->v.files[f->v.file_count++] = file;
}

static void add_text(struct fixture *f, const char *name, const char *role)
{
	add(f, name, role, name, strlen(name));
}

/* A GGUF that says what it is. */
static void add_gguf(struct fixture *f, const char *name)
{
	struct ggufbuild b;
	build_init_llama(&b);
	build_whole_llama(&b, "f32", 64);
	const struct buf *file = build_file(&b);
	add(f, name, NULL, file->data, file->len);
	build_release(&b);
}

static int plan(struct fixture *f, enum handoff_engine engine, const char *name,
		struct handoff *out, struct err *e)
{
	struct handoff_options o = { .engine = engine, .to = f->root, .name = name };
	return handoff_plan(&f->store, &f->v, &o, out, e);
}

static void make(struct fixture *f, enum handoff_engine engine, struct handoff *h)
{
	struct err e = ERR_INIT;
	assert_ok(plan(f, engine, NULL, h, &e), &e);
	assert_ok(handoff_make(&f->store, h, &e), &e);
}

/* The paths below the root, in the order in which they are made. */
static void assert_paths(const struct fixture *f, const struct handoff *h, const char *const *want,
			 size_t count)
{
	assert_int_equal(h->count, count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(f->root, want[i]);
		assert_string_equal(h->items[i].path, path);
	}
}

static char *below(const struct fixture *f, const char *name)
{
	return path_join(f->root, name);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("engine/%s", name);
	scratch_write(f->dir, path, text, strlen(text));
}

static bool is_there(const struct fixture *f, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = below(f, name);
	return file_exists(path);
}

static void forget(struct fixture *f, enum handoff_engine engine, size_t removed)
{
	struct err e = ERR_INIT;
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	CLEANUP(handoff_removed_release) struct handoff_removed r = { 0 };
	assert_ok(store_links_list(&f->store, &all, &e), &e);
	for (size_t i = 0; i < all.count; i++)
		if (strcmp(all.at[i].engine, handoff_engine_name(engine)) == 0)
			assert_ok(handoff_remove(&f->store, &all.at[i], &r, &e), &e);
	assert_int_equal(r.removed, removed);
}

/* -- the layouts ----------------------------------------------------------------------------- */

static void llama_cpp_has_the_model_and_its_projector_in_one_folder(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	add_text(f, "m-00001-of-00002.gguf", NULL);
	add_text(f, "m-00002-of-00002.gguf", NULL);
	add_text(f, "eyes.gguf", "projector");
	add_text(f, "polite.gguf", "adapter");
	add_text(f, "odd.gguf", "../odd");
	assert_ok(plan(f, HANDOFF_LLAMA_CPP, NULL, &h, &e), &e);
	assert_paths(f, &h,
		     (const char *const[]){
			     "phi-2-q4_k_m/other/odd.gguf", "phi-2-q4_k_m/adapter/polite.gguf",
			     "phi-2-q4_k_m/mmproj-eyes.gguf", "phi-2-q4_k_m/m-00002-of-00002.gguf",
			     "phi-2-q4_k_m/m-00001-of-00002.gguf" },
		     5);
	assert_string_equal(h.open, h.items[4].path);
}

static void the_cache_of_the_hub_has_its_ref_last(void **state)
{
	struct fixture *f = *state;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	char hex[DIGEST_HEX], link[256], ref[64] = "";
	add_text(f, "phi-2-Q4_K_M.gguf", NULL);
	make(f, HANDOFF_HUGGINGFACE, &h);
	CLEANUP(mem_free_ptr) char *blob = mem_printf("%s/models--main--phi-2/blobs/%s", f->root,
						      digest_hex(hex, &f->v.files[0].sha256));
	assert_int_equal(h.count, 3);
	assert_string_equal(h.items[0].path, blob);
	assert_int_equal(h.items[0].how, STORE_LINKS_HARDLINK);
	assert_true(str_ends(h.items[2].path, "/models--main--phi-2/refs/main"));
	ssize_t len = readlink(h.items[1].path, link, sizeof link - 1);
	assert_true(len > 0);
	link[len] = '\0';
	CLEANUP(mem_free_ptr) char *want = mem_printf("../../blobs/%s", hex);
	assert_string_equal(link, want);
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	struct err e = ERR_INIT;
	assert_ok(file_read_all(h.items[2].path, &text, &e), &e);
	assert_int_equal(text.len, 40);
	snprintf(ref, sizeof ref, "/snapshots/%.40s/", buf_str(&text));
	assert_non_null(strstr(h.items[1].path, ref));
	assert_string_equal(h.use, "llama-server -hf main/phi-2:Q4_K_M --offline");
	forget(f, HANDOFF_HUGGINGFACE, 3);
	assert_false(is_there(f, "models--main--phi-2"));
}

static void the_name_on_the_hub_is_that_of_the_source(void **state)
{
	static const struct {
		const char *source, *name;
	} cases[] = {
		{ "https://huggingface.co/acme/Phi-2.GGUF", "acme/Phi-2.GGUF" },
		{ "https://huggingface.co/acme/phi/tree/main", "acme/phi" },
		{ "https://huggingface.co/acme/phi?x#y", "acme/phi" },
		{ "https://huggingface.co/acme", "main/phi-2" },
		{ "https://huggingface.co/acme/a--b", "main/phi-2" },
		{ "https://huggingface.co/acme/../b", "main/phi-2" },
		{ "https://huggingface.co.example.org/acme/phi", "main/phi-2" },
		{ "https://example.org/acme/phi", "main/phi-2" },
		{ NULL, "main/phi-2" },
	};
	struct fixture *f = *state;
	add_text(f, "m.gguf", NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(handoff_release) struct handoff h = { 0 };
		struct handoff_options o = { .engine = HANDOFF_HUGGINGFACE,
					     .to = f->root,
					     .source = cases[i].source };
		CLEANUP(mem_free_ptr) char *want = mem_printf("%s:q4_k_m", cases[i].name);
		assert_ok(handoff_plan(&f->store, &f->v, &o, &h, &e), &e);
		assert_string_equal(h.layout.name, want);
		assert_non_null(strstr(h.use, "-hff m.gguf"));
	}
}

static void ollama_gets_a_manifest_last(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	CLEANUP(json_release) json_t *manifest = NULL;
	CLEANUP(json_release) json_t *config = NULL;
	static const struct json_limits limits = { .max_bytes = MIB };
	add_gguf(f, "phi-2.gguf");
	add_text(f, "eyes.gguf", "projector");
	add_text(f, "polite.gguf", "adapter");
	add_text(f, "small.gguf", "draft");
	make(f, HANDOFF_OLLAMA, &h);
	assert_int_equal(h.count, 5);
	assert_int_equal(h.notes.count, 2); /* the draft is left out; there is no template */
	assert_true(str_ends(h.items[4].path,
			     "/manifests/registry.ollama.ai/library/phi-2/q4_k_m"));
	assert_ok(json_parse_file(h.items[4].path, &limits, &manifest, &e), &e);
	assert_ok(json_parse_file(h.items[3].path, &limits, &config, &e), &e);
	static const char *const types[] = { "application/vnd.ollama.image.model",
					     "application/vnd.ollama.image.projector",
					     "application/vnd.ollama.image.adapter" };
	const json_t *layers = json_object_get(manifest, "layers");
	assert_int_equal(json_array_size(layers), 3);
	for (size_t i = 0; i < 3; i++) {
		char hex[DIGEST_HEX];
		const json_t *layer = json_array_get(layers, i);
		CLEANUP(mem_free_ptr) char *digest =
			mem_printf("sha256:%s", digest_hex(hex, &f->v.files[i].sha256));
		assert_string_equal(json_text(layer, "mediaType"), types[i]);
		assert_string_equal(json_text(layer, "digest"), digest);
		assert_int_equal(json_number(layer, "size"), f->v.files[i].size);
	}
	assert_string_equal(json_text(config, "model_family"), "llama");
	assert_int_equal(json_array_size(json_object_get(config, "model_families")), 2);
	assert_string_equal(h.use, "ollama run phi-2:q4_k_m");
	forget(f, HANDOFF_OLLAMA, 5);
	assert_false(is_there(f, "manifests") || is_there(f, "blobs"));
}

static void ollama_refuses_shards(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	add_text(f, "m-00001-of-00002.gguf", NULL);
	add_text(f, "m-00002-of-00002.gguf", NULL);
	assert_int_equal(plan(f, HANDOFF_OLLAMA, NULL, &h, &e), -ERR_USAGE);
	assert_non_null(strstr(e.hint, "llama-gguf-split"));
}

static void names_are_those_of_the_engine(void **state)
{
	static const struct {
		enum handoff_engine engine;
		const char *name;
		bool good;
	} cases[] = {
		{ HANDOFF_OLLAMA, "phi", true },
		{ HANDOFF_OLLAMA, "me/phi:x.y", true },
		{ HANDOFF_OLLAMA, "host.example/me/phi", true },
		{ HANDOFF_OLLAMA, "m.e/phi", false },
		{ HANDOFF_OLLAMA, "../phi", false },
		{ HANDOFF_OLLAMA, "/phi", false },
		{ HANDOFF_OLLAMA, "me//phi", false },
		{ HANDOFF_OLLAMA, "a/b/c/phi", false },
		{ HANDOFF_OLLAMA, "phi:", false },
		{ HANDOFF_OLLAMA, "phi:..", false },
		{ HANDOFF_OLLAMA, "phi 2", false },
		{ HANDOFF_HUGGINGFACE, "a/b", true },
		{ HANDOFF_HUGGINGFACE, "a", false },
		{ HANDOFF_HUGGINGFACE, "a/b/c", false },
		{ HANDOFF_HUGGINGFACE, "a/..", false },
		{ HANDOFF_HUGGINGFACE, "a/b-", false },
		{ HANDOFF_HUGGINGFACE, "a/b.git", false },
		{ HANDOFF_LMSTUDIO, "a/b", true },
		{ HANDOFF_LMSTUDIO, "a", false },
		{ HANDOFF_LMSTUDIO, "a/b/c", false },
		{ HANDOFF_LMSTUDIO, "../b", false },
		{ HANDOFF_LMSTUDIO, "a/.b", false },
		{ HANDOFF_LLAMA_CPP, "a b", true },
		{ HANDOFF_LLAMA_CPP, "..", false },
		{ HANDOFF_LLAMA_CPP, "a/b", false },
	};
	struct fixture *f = *state;
	add_gguf(f, "m.gguf");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(handoff_release) struct handoff h = { 0 };
		int rc = plan(f, cases[i].engine, cases[i].name, &h, &e);
		if (rc != (cases[i].good ? 0 : -ERR_USAGE))
			fail_msg("%s: %d %s", cases[i].name, rc, e.text);
	}
}

static void a_version_is_part_of_the_name(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	add_gguf(f, "m.gguf");
	free(f->v.variant);
	f->v.variant = mem_strdup("q4_k_m@3");
	assert_ok(plan(f, HANDOFF_OLLAMA, NULL, &h, &e), &e);
	assert_string_equal(h.layout.name, "phi-2:q4_k_m-v3");
}

static void what_is_no_model_has_a_folder_only(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	add_text(f, "polite.gguf", NULL);
	f->v.kind = mem_strdup("adapter");
	assert_int_equal(plan(f, HANDOFF_LLAMA_CPP, NULL, &h, &e), -ERR_USAGE);
	make(f, HANDOFF_DIRECTORY, &h);
	assert_true(is_there(f, "polite.gguf"));
}

static void the_folders_are_those_of_the_engines_variables(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum handoff_engine engine;
		const char *variable, *value, *want;
	} cases[] = {
		{ HANDOFF_LLAMA_CPP, "LLAMA_ARG_MODELS_DIR", "/m", "/m" },
		{ HANDOFF_LLAMA_CPP, "XDG_DATA_HOME", "/d", "/d/llama.cpp/models" },
		{ HANDOFF_HUGGINGFACE, "HF_HUB_CACHE", "/h", "/h" },
		{ HANDOFF_HUGGINGFACE, "HUGGINGFACE_HUB_CACHE", "/h", "/h" },
		{ HANDOFF_HUGGINGFACE, "HF_HOME", "/h", "/h/hub" },
		{ HANDOFF_HUGGINGFACE, "XDG_CACHE_HOME", "/c", "/c/huggingface/hub" },
		{ HANDOFF_OLLAMA, "OLLAMA_MODELS", "/o", "/o" },
		{ HANDOFF_OLLAMA, "HOME", "/u", "/u/.ollama/models" },
		{ HANDOFF_LMSTUDIO, "HOME", "/u", "/u/.lmstudio/models" },
		{ HANDOFF_HUGGINGFACE, "HOME", "/u", "/u/.cache/huggingface/hub" },
		{ HANDOFF_LLAMA_CPP, "HOME", "/u", "/u/.local/share/llama.cpp/models" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(mem_free_ptr) char *root = NULL;
		setenv(cases[i].variable, cases[i].value, 1);
		setenv("HOME", "/u", 1);
		assert_ok(handoff_root(cases[i].engine, &root, &e), &e);
		unsetenv(cases[i].variable);
		assert_string_equal(root, cases[i].want);
	}
	/* LM Studio says in two files where it is. */
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *pointer = mem_printf("%s/elsewhere\n", f->dir);
	CLEANUP(mem_free_ptr) char *root = NULL;
	CLEANUP(mem_free_ptr) char *chosen = NULL;
	CLEANUP(mem_free_ptr) char *want = mem_printf("%s/elsewhere/models", f->dir);
	scratch_write(f->dir, ".lmstudio-home-pointer", pointer, strlen(pointer));
	scratch_write(f->dir, "elsewhere/x", "", 0);
	setenv("HOME", f->dir, 1);
	assert_ok(handoff_root(HANDOFF_LMSTUDIO, &root, &e), &e);
	assert_string_equal(root, want);
	static const char settings[] = "{\"downloadsFolder\": \"/big/models\"}";
	scratch_write(f->dir, "elsewhere/settings.json", settings, strlen(settings));
	assert_ok(handoff_root(HANDOFF_LMSTUDIO, &chosen, &e), &e);
	assert_string_equal(chosen, "/big/models");
	unsetenv("HOME");
	assert_int_equal(handoff_root(HANDOFF_OLLAMA, &root, &e), -ERR_USAGE);
}

/* -- what is there already ------------------------------------------------------------------- */

static void a_file_of_another_program_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	add_text(f, "m.gguf", NULL);
	put(f, "m.gguf", "theirs");
	assert_int_equal(plan(f, HANDOFF_DIRECTORY, NULL, &h, &e), -ERR_CONFLICT);
	assert_true(e.hint[0]);
	CLEANUP(mem_free_ptr) char *path = below(f, "m.gguf");
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	e = (struct err){ 0 };
	assert_ok(file_read_all(path, &text, &e), &e);
	assert_string_equal(buf_str(&text), "theirs");
}

static void one_with_the_same_bytes_is_used_and_stays(void **state)
{
	struct fixture *f = *state;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	add_text(f, "m.gguf", NULL);
	add_text(f, "n.gguf", NULL);
	put(f, "m.gguf", "m.gguf");
	make(f, HANDOFF_DIRECTORY, &h);
	assert_int_equal(h.items[0].action, HANDOFF_USE);
	assert_int_equal(h.items[1].action, HANDOFF_MAKE);
	forget(f, HANDOFF_DIRECTORY, 1);
	assert_true(is_there(f, "m.gguf"));
	assert_false(is_there(f, "n.gguf"));
}

static void the_same_command_again_changes_nothing(void **state)
{
	struct fixture *f = *state;
	CLEANUP(handoff_release) struct handoff one = { 0 }, two = { 0 };
	add_gguf(f, "m.gguf");
	make(f, HANDOFF_OLLAMA, &one);
	make(f, HANDOFF_OLLAMA, &two);
	for (size_t i = 0; i < two.count; i++)
		assert_int_equal(two.items[i].action, HANDOFF_KEEP);
}

static void a_newer_version_replaces_our_links(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff one = { 0 }, two = { 0 };
	add(f, "m.gguf", NULL, "old", 3);
	add_text(f, "gone.gguf", NULL);
	make(f, HANDOFF_DIRECTORY, &one);
	free(f->v.files[0].name);
	free(f->v.files[1].name);
	f->v.file_count = 0;
	f->v.version = 2;
	add(f, "m.gguf", NULL, "new", 3);
	make(f, HANDOFF_DIRECTORY, &two);
	assert_int_equal(two.items[0].action, HANDOFF_REPLACE);
	assert_false(is_there(f, "gone.gguf"));
	CLEANUP(mem_free_ptr) char *path = below(f, "m.gguf");
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	assert_ok(file_read_all(path, &text, &e), &e);
	assert_string_equal(buf_str(&text), "new");
}

static void a_name_that_another_model_has_is_a_conflict(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff one = { 0 }, two = { 0 };
	add(f, "m.gguf", NULL, "one", 3);
	make(f, HANDOFF_DIRECTORY, &one);
	free(f->v.model);
	free(f->v.files[0].name);
	f->v.model = mem_strdup("other");
	f->v.file_count = 0;
	add(f, "m.gguf", NULL, "two", 3);
	assert_int_equal(plan(f, HANDOFF_DIRECTORY, NULL, &two, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "main/phi-2:q4_k_m"));
}

static void what_two_layouts_share_stays_until_both_are_gone(void **state)
{
	struct fixture *f = *state;
	CLEANUP(handoff_release) struct handoff one = { 0 }, two = { 0 };
	add_text(f, "a-Q4_K_M.gguf", NULL);
	make(f, HANDOFF_HUGGINGFACE, &one);
	free(f->v.variant);
	free(f->v.files[0].name);
	f->v.variant = mem_strdup("q8_0");
	f->v.file_count = 0;
	add_text(f, "a-Q8_0.gguf", NULL);
	make(f, HANDOFF_HUGGINGFACE, &two);
	assert_string_equal(one.items[2].path, two.items[2].path); /* refs/main */
	assert_int_equal(two.items[2].action, HANDOFF_KEEP);
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	CLEANUP(handoff_removed_release) struct handoff_removed r = { 0 };
	struct err e = ERR_INIT;
	assert_ok(store_links_load(&f->store, one.layout.id, &l, &e), &e);
	assert_ok(handoff_remove(&f->store, &l, &r, &e), &e);
	assert_int_equal(r.removed, 2);
	assert_true(file_exists(two.items[2].path));
	forget(f, HANDOFF_HUGGINGFACE, 3);
	assert_false(is_there(f, "models--main--phi-2"));
}

static void a_download_of_the_hub_is_not_mixed_with_ours(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
#define THEIRS "models--main--phi-2/snapshots/00112233445566778899aabbccddeeff00112233/"
	add_text(f, "m.gguf", NULL);
	put(f, "models--main--phi-2/refs/main", "00112233445566778899aabbccddeeff00112233");
	put(f, THEIRS "other.gguf", "other");
	assert_int_equal(plan(f, HANDOFF_HUGGINGFACE, NULL, &h, &e), -ERR_CONFLICT);
	/* It has the same file: nothing is to be done. */
	e = (struct err){ 0 };
	put(f, THEIRS "m.gguf", "m.gguf");
	make(f, HANDOFF_HUGGINGFACE, &h);
	assert_int_equal(h.count, 1);
	assert_int_equal(h.items[0].action, HANDOFF_USE);
	assert_false(is_there(f, "models--main--phi-2/blobs"));
}

static void a_model_of_ollamas_own_is_left_alone(void **state)
{
	struct fixture *f = *state;
	add_gguf(f, "m.gguf");
	static const char *const folders[] = { "manifests", "manifests-v2" };
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		struct err e = ERR_INIT;
		CLEANUP(handoff_release) struct handoff h = { 0 };
		CLEANUP(mem_free_ptr) char *name =
			mem_printf("%s/registry.ollama.ai/library/phi-2/q4_k_m", folders[i]);
		put(f, name, "{}");
		assert_int_equal(plan(f, HANDOFF_OLLAMA, NULL, &h, &e), -ERR_CONFLICT);
		assert_non_null(strstr(e.hint, "ollama rm"));
		CLEANUP(mem_free_ptr) char *path = below(f, name);
		unlink(path);
	}
}

/* -- what is left ---------------------------------------------------------------------------- */

static void what_a_killed_process_left_is_removed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	add_text(f, "m.gguf", NULL);
	add_text(f, "n.gguf", NULL);
	make(f, HANDOFF_DIRECTORY, &h);
	/* Killed in the middle: the record is not complete, one link is there as a copy, and
	 * another copy is unfinished. */
	assert_ok(store_links_load(&f->store, h.layout.id, &l, &e), &e);
	l.complete = false;
	assert_ok(store_links_save(&f->store, &l, &e), &e);
	unlink(h.items[0].path);
	put(f, "m.gguf", "m.gguf");
	unlink(h.items[1].path);
	put(f, ".n.gguf.abcdef.tmp", "half");
	put(f, ".other.gguf.abcdef.tmp", "another program's");
	forget(f, HANDOFF_DIRECTORY, 1);
	assert_false(is_there(f, "m.gguf"));
	assert_false(is_there(f, ".n.gguf.abcdef.tmp"));
	assert_true(is_there(f, ".other.gguf.abcdef.tmp"));
}

static void what_was_changed_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	CLEANUP(handoff_removed_release) struct handoff_removed r = { 0 };
	add_text(f, "m.gguf", NULL);
	add_text(f, "n.gguf", NULL);
	add_text(f, "o.gguf", NULL);
	make(f, HANDOFF_DIRECTORY, &h);
	unlink(h.items[0].path);
	put(f, "m.gguf", "theirs");
	unlink(h.items[1].path);
	assert_ok(store_links_load(&f->store, h.layout.id, &l, &e), &e);
	assert_ok(handoff_remove(&f->store, &l, &r, &e), &e);
	assert_int_equal(r.removed, 1);
	assert_int_equal(r.gone, 1);
	assert_int_equal(r.kept.count, 1);
	assert_true(is_there(f, "m.gguf"));
	assert_int_equal(store_links_load(&f->store, h.layout.id, &l, &e), -ERR_NOT_FOUND);
}

static void a_failure_takes_back_what_was_made(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	add_text(f, "m.gguf", NULL);
	add_text(f, "eyes.gguf", "projector");
	assert_ok(plan(f, HANDOFF_LLAMA_CPP, NULL, &h, &e), &e);
	/* The projector is made first; then the name of the model is taken. */
	free(h.items[1].path);
	h.items[1].path = mem_printf("%s/phi-2-q4_k_m/mmproj-eyes.gguf/m.gguf", f->root);
	assert_true(handoff_make(&f->store, &h, &e) < 0);
	assert_false(is_there(f, "phi-2-q4_k_m"));
	e = (struct err){ 0 };
	assert_int_equal(store_links_load(&f->store, h.layout.id, &l, &e), -ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(llama_cpp_has_the_model_and_its_projector_in_one_folder),
		TEST(the_cache_of_the_hub_has_its_ref_last),
		TEST(the_name_on_the_hub_is_that_of_the_source),
		TEST(ollama_gets_a_manifest_last),
		TEST(ollama_refuses_shards),
		TEST(names_are_those_of_the_engine),
		TEST(a_version_is_part_of_the_name),
		TEST(what_is_no_model_has_a_folder_only),
		TEST(the_folders_are_those_of_the_engines_variables),
		TEST(a_file_of_another_program_is_left_alone),
		TEST(one_with_the_same_bytes_is_used_and_stays),
		TEST(the_same_command_again_changes_nothing),
		TEST(a_newer_version_replaces_our_links),
		TEST(a_name_that_another_model_has_is_a_conflict),
		TEST(what_two_layouts_share_stays_until_both_are_gone),
		TEST(a_download_of_the_hub_is_not_mixed_with_ours),
		TEST(a_model_of_ollamas_own_is_left_alone),
		TEST(what_a_killed_process_left_is_removed),
		TEST(what_was_changed_stays),
		TEST(a_failure_takes_back_what_was_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
