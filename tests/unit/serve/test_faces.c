#include "serve/face/face.h"

#include "serve/face/registry.h"
#include "unit.h"
#include "util/mem.h"

#include <string.h>

#define DIGEST(digit) "000000000000000000000000000000000000000000000000000000000000000" digit
#define FILE_OF(name, digit) \
	"{\"path\":\"models/m/" name "\",\"size\":7,\"sha256\":\"" DIGEST(digit) "\"}"
#define CARD(id, variants) \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"" id "\",\"variants\":[" variants \
	"]}"

/* -- views of two repositories, which are not made from releases ------------------------------ */

struct view {
	const char *name;
	struct card cards[2];
	size_t count;
	struct repository_file files[4];
	size_t file_count;
	struct view_kept *kept[2];
	bool is_private;
	unsigned references;
};

static struct view acme = { .name = "acme" }, zoo = { .name = "zoo", .is_private = true };

struct view *view_ref(struct view *v)
{
	v->references++;
	return v;
}

void view_unref(struct view *v)
{
	if (v)
		v->references--;
}

const char *view_repository(const struct view *v)
{
	return v->name;
}

bool view_is_private(const struct view *v)
{
	return v->is_private;
}

bool view_find(const struct view *v, const char *key, struct view_file *out)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (strcmp(v->files[i].key, key) == 0) {
			*out = (struct view_file){ .file = &v->files[i], .model = "m" };
			return true;
		}
	return false;
}

const struct card *view_models(const struct view *v, size_t *count)
{
	*count = v->count;
	return v->cards;
}

const struct card *view_model(const struct view *v, const char *id)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->cards[i].id, id) == 0)
			return &v->cards[i];
	return NULL;
}

const struct view_kept *view_kept(const struct view *v, const struct card *c)
{
	return v->kept[c - v->cards];
}

const struct view_kept *view_keep(const struct view *v, const struct card *c, struct view_kept *k)
{
	struct view *at = v == &acme ? &acme : &zoo;
	assert_null(at->kept[c - v->cards]);
	return at->kept[c - v->cards] = k;
}

int view_card_file(const struct view *v, const struct card_file *f, struct view_file *out,
		   struct err *e)
{
	return view_find(v, f->path, out)
		       ? 0
		       : err_set(e, ERR_INTEGRITY, "the release does not list %s", f->path);
}

/* -- requests --------------------------------------------------------------------------------- */

static struct view *const both[] = { &zoo, &acme };
static const struct face_views views = { both, 2 };
static struct auth_who who;
static struct face_answer answer;
static bool may_work;
static const char *post; /* the body, or NULL */

static void add_card(struct view *v, const char *text)
{
	struct err e = ERR_INIT;
	struct card *c = &v->cards[v->count++];
	assert_ok(card_parse(text, strlen(text), "test", c, &e), &e);
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_file *f = &c->variants[i].files[0];
		v->files[v->file_count++] = (struct repository_file){ .key = (char *)f->path,
								      .size = f->size,
								      .sha256 = f->sha256 };
	}
}

static int set_up(void **state)
{
	(void)state;
	add_card(&acme,
		 CARD("m", "{\"id\":\"q4\",\"quantization\":\"Q4_K_M\",\"files\":[" FILE_OF(
				   "m-q4_k_m.gguf",
				   "1") "]},"
					"{\"id\":\"old\",\"withdrawn\":{\"reason\":\"wrong\"},"
					"\"files\":[" FILE_OF("m-old.gguf", "3") "]}"));
	add_card(&acme, CARD("n", "{\"id\":\"q4\",\"files\":[{\"path\":\"models/n/n.gguf\","
				  "\"size\":7,\"sha256\":\"" DIGEST("2") "\"}]}"));
	add_card(&zoo, CARD("z", "{\"id\":\"q4\",\"files\":[{\"path\":\"models/z/z.gguf\","
				 "\"size\":7,\"sha256\":\"" DIGEST("4") "\"}]}"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	card_release(&acme.cards[0]);
	card_release(&acme.cards[1]);
	card_release(&zoo.cards[0]);
	return 0;
}

static void may_only(const char *scope)
{
	struct err e = ERR_INIT;
	auth_who_release(&who);
	who = (struct auth_who){ .name = mem_strdup("k"), .known = true };
	who.scopes = mem_alloc(sizeof *who.scopes);
	who.count = who.cap = 1;
	assert_ok(auth_scope_parse(scope, &who.scopes[0], &e), &e);
}

/* A worker, for who may all, at first. */
static int begin(void **state)
{
	(void)state;
	may_work = true;
	post = NULL;
	who = (struct auth_who){ .name = mem_strdup(""), .trusted = true };
	return 0;
}

static void forget_kept(struct view *v)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->kept[i])
			v->kept[i]->free(v->kept[i]);
		v->kept[i] = NULL;
	}
}

static int end(void **state)
{
	(void)state;
	forget_kept(&acme);
	forget_kept(&zoo);
	face_answer_release(&answer);
	auth_who_release(&who);
	assert_int_equal(acme.references + zoo.references, 0);
	return 0;
}

/* The status; `answer` is what was answered. */
static unsigned ask(const char *path, const char *query, const char *accept)
{
	const struct face_request r = { .method = post ? "POST" : "GET",
					.path = path,
					.query = query,
					.accept = accept,
					.base = "https://edge.example",
					.body = post,
					.body_len = post ? strlen(post) : 0,
					.may_work = may_work,
					.who = &who };
	face_answer_release(&answer);
	face_answer(&views, &r, &answer);
	return answer.status;
}

static const char *header(const char *name)
{
	for (size_t i = 0; i < answer.header_count; i++)
		if (strcmp(answer.headers[i].name, name) == 0)
			return answer.headers[i].value;
	return "";
}

static json_t *body(void)
{
	static const struct json_limits limits = { .max_bytes = MIB };
	struct err e = ERR_INIT;
	json_t *o = NULL;
	assert_ok(json_parse(buf_str(&answer.body), answer.body.len, &limits, "answer", &o, &e),
		  &e);
	return o;
}

static void is_error(const char *code)
{
	CLEANUP(json_release) json_t *o = body();
	const json_t *first = json_array_get(json_object_get(o, "errors"), 0);
	assert_string_equal(json_text(first, "code"), code);
}

/* -- the registry ----------------------------------------------------------------------------- */

#define OCI "application/vnd.oci.image.manifest.v1+json"
#define DOCKER "application/vnd.docker.distribution.manifest.v2+json"

static void the_registry_says_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(ask("/v2/", NULL, NULL), 200);
	assert_string_equal(buf_str(&answer.body), "{}");
	assert_string_equal(header("Docker-Distribution-Api-Version"), "registry/2.0");
	assert_string_equal(answer.face, "oci");
	assert_int_equal(ask("/v2", NULL, NULL), 200);
	assert_int_equal(ask("/v2x", NULL, NULL), 404);
}

static void one_tag_is_dockers_or_ollamas_manifest_by_what_the_reader_takes(void **state)
{
	(void)state;
	assert_int_equal(ask("/v2/acme/m/manifests/q4", NULL, OCI ", " DOCKER), 200);
	assert_string_equal(answer.type, OCI);
	assert_int_equal(ask("/v2/acme/m/manifests/q4", NULL, "application/json"), 200);
	assert_string_equal(answer.type, OCI);
	assert_int_equal(ask("/v2/acme/m/manifests/q4", NULL, DOCKER), 200);
	assert_string_equal(answer.type, DOCKER);
	assert_string_equal(answer.cache, "no-cache");
	assert_string_equal(header("Vary"), "Accept");
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/v2/acme/m/manifests/%s", header("Docker-Content-Digest"));
	assert_int_equal(ask(path, NULL, OCI), 200);
	assert_string_equal(answer.type, DOCKER);
	assert_non_null(strstr(answer.cache, "immutable"));
}

static void a_blob_is_had_only_through_a_model_that_has_it(void **state)
{
	(void)state;
	assert_int_equal(ask("/v2/acme/m/blobs/sha256:" DIGEST("1"), NULL, NULL), 200);
	assert_true(answer.is_file);
	assert_string_equal(answer.file.file->key, "models/m/m-q4_k_m.gguf");
	assert_string_equal(answer.etag, "\"" DIGEST("1") "\"");
	assert_int_equal(ask("/v2/acme/n/blobs/sha256:" DIGEST("1"), NULL, NULL), 404);
	is_error("BLOB_UNKNOWN");
	assert_int_equal(ask("/v2/acme/m/blobs/sha256:12", NULL, NULL), 400);
	is_error("DIGEST_INVALID");
}

static void a_withdrawn_variant_is_in_no_face(void **state)
{
	(void)state;
	assert_int_equal(ask("/v2/acme/m/manifests/old", NULL, OCI), 404);
	is_error("MANIFEST_UNKNOWN");
	assert_int_equal(ask("/v2/acme/m/blobs/sha256:" DIGEST("3"), NULL, NULL), 404);
	assert_int_equal(ask("/acme/m/resolve/main/m-old.gguf", NULL, NULL), 404);
	assert_string_equal(header("X-Error-Code"), "EntryNotFound");
}

static void lists_are_in_pages(void **state)
{
	(void)state;
	assert_int_equal(ask("/v2/_catalog", "n=2", NULL), 200);
	assert_string_equal(buf_str(&answer.body), "{\"repositories\":[\"acme/m\",\"acme/n\"]}");
	assert_string_equal(header("Link"), "</v2/_catalog?n=2&last=acme%2Fn>; rel=\"next\"");
	assert_int_equal(ask("/v2/_catalog", "n=2&last=acme%2Fn", NULL), 200);
	assert_string_equal(buf_str(&answer.body), "{\"repositories\":[\"zoo/z\"]}");
	assert_string_equal(header("Link"), "");
	assert_int_equal(ask("/v2/acme/m/tags/list", "n=1", NULL), 200);
	assert_string_equal(buf_str(&answer.body), "{\"name\":\"acme/m\",\"tags\":[\"latest\"]}");
	assert_string_equal(header("Link"), "</v2/acme/m/tags/list?n=1&last=latest>; rel=\"next\"");
	assert_int_equal(ask("/api/models", "limit=1", NULL), 200);
	assert_string_equal(header("Link"), "<https://edge.example/api/models?limit=1&cursor="
					    "acme%2Fm>; rel=\"next\"");
}

/* -- who may ---------------------------------------------------------------------------------- */

static char *answer_text(const char *path)
{
	CLEANUP(buf_release) struct buf all = BUF_INIT(MIB);
	ask(path, NULL, OCI);
	buf_addf(&all, "%u %s %s %s", answer.status, answer.type, answer.cache,
		 buf_str(&answer.body));
	for (size_t i = 0; i < answer.header_count; i++)
		buf_addf(&all, " %s=%s", answer.headers[i].name, answer.headers[i].value);
	return buf_steal(&all);
}

static void a_model_out_of_scope_answers_as_one_that_does_not_exist(void **state)
{
	(void)state;
	static const char *const paths[] = {
		"/v2/acme/%s/manifests/q4",
		"/v2/acme/%s/tags/list",
		"/v2/acme/%s/blobs/sha256:" DIGEST("1"),
		"/api/models/acme/%s",
		"/api/models/acme/%s/refs",
		"/api/models/acme/%s/tree/main",
		"/acme/%s/resolve/main/m-q4_k_m.gguf",
	};
	may_only("pull:acme/n");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		CLEANUP(buf_release) struct buf there = BUF_INIT(KIB), none = BUF_INIT(KIB);
		const char *mark = strchr(paths[i], '%');
		buf_addf(&there, "%.*sm%s", (int)(mark - paths[i]), paths[i], mark + 2);
		buf_addf(&none, "%.*sx%s", (int)(mark - paths[i]), paths[i], mark + 2);
		CLEANUP(mem_free_ptr) char *a = answer_text(buf_str(&there));
		CLEANUP(mem_free_ptr) char *b = answer_text(buf_str(&none));
		assert_string_equal(a, b);
		assert_memory_equal(a, "404", 3);
	}
}

static void lists_have_only_what_the_caller_may_pull(void **state)
{
	(void)state;
	may_only("pull:acme/n");
	ask("/v2/_catalog", NULL, NULL);
	assert_string_equal(buf_str(&answer.body), "{\"repositories\":[\"acme/n\"]}");
	ask("/api/models", NULL, NULL);
	CLEANUP(json_release) json_t *o = body();
	assert_int_equal(json_array_size(o), 1);
}

static void what_is_answered_to_credentials_is_not_for_shared_caches(void **state)
{
	(void)state;
	ask("/v2/acme/n/blobs/sha256:" DIGEST("2"), NULL, NULL);
	assert_memory_equal(answer.cache, "public", 6);
	ask("/v2/zoo/z/blobs/sha256:" DIGEST("4"), NULL, NULL);
	assert_memory_equal(answer.cache, "private", 7);
	may_only("pull:acme/n");
	ask("/v2/acme/n/blobs/sha256:" DIGEST("2"), NULL, NULL);
	assert_memory_equal(answer.cache, "private", 7);
}

/* -- the Hub ---------------------------------------------------------------------------------- */

/* ggml-org/llama.cpp, common/hf-cache.cpp (get_repo_commit, get_repo_files; commit 03eb25f): the
 * branch main of refs, the tree of its commit, and each file of resolve/COMMIT/. */
static void llama_cpp_finds_the_commit_the_tree_and_the_file(void **state)
{
	(void)state;
	assert_int_equal(ask("/api/models/acme/m/refs", NULL, "application/json"), 200);
	CLEANUP(json_release) json_t *refs = body();
	const json_t *branch = json_array_get(json_object_get(refs, "branches"), 0);
	assert_string_equal(json_text(branch, "name"), "main");
	CLEANUP(mem_free_ptr)
	char *tree = mem_printf("/api/models/acme/m/tree/%s", json_text(branch, "targetCommit"));
	assert_int_equal(ask(tree, "recursive=true", "application/json"), 200);
	CLEANUP(json_release) json_t *files = body();
	assert_int_equal(json_array_size(files), 1);
	const json_t *f = json_array_get(files, 0);
	assert_string_equal(json_text(f, "type"), "file");
	assert_string_equal(json_text(json_object_get(f, "lfs"), "oid"), DIGEST("1"));
	CLEANUP(mem_free_ptr)
	char *file = mem_printf("/acme/m/resolve/%s/%s", json_text(branch, "targetCommit"),
				json_text(f, "path"));
	assert_int_equal(ask(file, NULL, NULL), 200);
	assert_true(answer.is_file);
	assert_non_null(strstr(answer.cache, "immutable"));
}

/* ggml-org/llama.cpp, older versions (common_get_hf_file of common/arg.cpp, later download.cpp):
 * GET v2/REPO/manifests/TAG with Accept: application/json, then
 * REPO/resolve/main/ggufFile.rfilename. */
static void an_older_llama_cpp_finds_the_file_by_the_hubs_manifest(void **state)
{
	(void)state;
	assert_int_equal(ask("/v2/acme/m/manifests/Q4_K_M", NULL, "application/json"), 200);
	CLEANUP(json_release) json_t *o = body();
	CLEANUP(mem_free_ptr)
	char *file = mem_printf("/acme/m/resolve/main/%s",
				json_text(json_object_get(o, "ggufFile"), "rfilename"));
	assert_int_equal(ask(file, NULL, NULL), 200);
	assert_string_equal(answer.file.file->key, "models/m/m-q4_k_m.gguf");
}

/* huggingface/huggingface_hub, file_download.py (get_hf_file_metadata). */
static void a_file_has_the_headers_that_pythons_client_reads(void **state)
{
	(void)state;
	ask("/acme/m/resolve/main/m-q4_k_m.gguf", NULL, NULL);
	assert_int_equal(strlen(header("X-Repo-Commit")), 40);
	assert_string_equal(header("X-Linked-Etag"), "\"" DIGEST("1") "\"");
	assert_string_equal(header("X-Linked-Size"), "7");
	assert_string_equal(answer.etag, "\"" DIGEST("1") "\"");
	assert_string_equal(answer.cache, "no-cache");
}

static void what_is_missing_says_what_it_is(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "/acme/x/resolve/main/a", "RepoNotFound" },
		{ "/nobody/m/resolve/main/a", "RepoNotFound" },
		{ "/acme/m/resolve/v9/m-q4_k_m.gguf", "RevisionNotFound" },
		{ "/acme/m/resolve/main/config.json", "EntryNotFound" },
		{ "/api/models/acme", "RepoNotFound" },
		{ "/api/models/acme/x", "RepoNotFound" },
		{ "/api/models/acme/m/revision/v9", "RevisionNotFound" },
		{ "/api/models/acme/m/tree/main/folder", "EntryNotFound" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(ask(table[i][0], NULL, NULL), 404);
		assert_string_equal(header("X-Error-Code"), table[i][1]);
		assert_string_equal(answer.face, "hub");
	}
	assert_int_equal(ask("/api/models/acme/m/commits", NULL, NULL), 404);
	assert_int_equal(ask("/acme/m/blob/main/x", NULL, NULL), 404);
	assert_null(answer.face);
}

static void the_list_of_models_can_be_searched(void **state)
{
	(void)state;
	static const char *const queries[] = { "author=zoo", "search=Z", "author=zoo&search=z" };
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		ask("/api/models", queries[i], NULL);
		CLEANUP(json_release) json_t *o = body();
		assert_int_equal(json_array_size(o), 1);
		assert_string_equal(json_text(json_array_get(o, 0), "id"), "zoo/z");
	}
	ask("/api/models", "search=%zz&author=nobody", NULL);
	assert_string_equal(buf_str(&answer.body), "[]");
}

static void paths_are(const char *text, const char *const *paths, size_t count)
{
	post = text;
	assert_int_equal(ask("/api/models/acme/m/paths-info/main", NULL, NULL), 200);
	assert_string_equal(answer.cache, "no-store");
	CLEANUP(json_release) json_t *o = body();
	assert_int_equal(json_array_size(o), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(json_text(json_array_get(o, i), "path"), paths[i]);
}

static void paths_are_asked_for_in_json_or_in_a_form(void **state)
{
	(void)state;
	static const char *const file[] = { "m-q4_k_m.gguf", "m-q4_k_m.gguf" };
	paths_are("{\"paths\":[\"m-q4_k_m.gguf\",\"m-old.gguf\",\"\",7],\"expand\":true}", file, 1);
	paths_are("{\"paths\":[]}", file, 0);
	paths_are("paths=m-q4_k_m.gguf&paths=x&expand=True&paths=m%2Dq4_k_m.gguf", file, 2);
	static const char *const wrong[] = {
		"{", "{}", "{\"paths\":\"a\"}", "x=1", "paths=%zz", ""
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		post = wrong[i];
		assert_int_equal(ask("/api/models/acme/m/paths-info/main", NULL, NULL), 400);
	}
	post = "{\"paths\":[]}";
	assert_int_equal(ask("/api/models/acme/m/paths-info/v9", NULL, NULL), 404);
	assert_string_equal(header("X-Error-Code"), "RevisionNotFound");
}

static void only_questions_with_a_body_are_posted(void **state)
{
	(void)state;
	assert_string_equal(face_methods("/api/models/acme/m/paths-info/main"), "POST");
	static const char *const others[] = { "/", "/api/models/acme/m/paths-info",
					      "/api/models/acme/m/paths-info/a/b",
					      "/api/models/acme/paths-info/main",
					      "/v2/acme/m/paths-info/x/y" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_string_equal(face_methods(others[i]), "GET HEAD");
}

/* -- what is for a worker ---------------------------------------------------------------------- */

static void lists_are_for_a_worker(void **state)
{
	(void)state;
	static const char *const lists[] = { "/v2/_catalog", "/api/models",
					     "/v2/acme/m/tags/list" };
	ask("/v2/acme/m/manifests/q4", NULL, OCI);
	may_work = false;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		assert_int_equal(ask(lists[i], NULL, NULL), 0);
		assert_int_equal(answer.header_count, 0);
		assert_null(answer.face);
	}
}

static void the_first_answer_about_a_model_is_for_a_worker_and_no_later_one(void **state)
{
	(void)state;
	static const char *const paths[] = {
		"/v2/acme/m/manifests/q4",
		"/v2/acme/m/blobs/sha256:" DIGEST("1"),
		"/acme/m/resolve/main/m-q4_k_m.gguf",
		"/api/models/acme/m",
		"/api/models/acme/m/tree/main",
	};
	may_work = false;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_equal(ask(paths[i], NULL, OCI), 0);
	may_work = true;
	assert_int_equal(ask(paths[0], NULL, OCI), 200);
	may_work = false;
	CLEANUP(mem_free_ptr)
	char *manifest = mem_printf("/v2/acme/m/manifests/%s", header("Docker-Content-Digest"));
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_equal(ask(paths[i], NULL, OCI), 200);
	assert_int_equal(ask(manifest, NULL, OCI), 200);
	CLEANUP(json_release) json_t *o = body();
	CLEANUP(mem_free_ptr)
	char *config = mem_printf("/v2/acme/m/blobs/%s",
				  json_text(json_object_get(o, "config"), "digest"));
	assert_int_equal(ask(config, NULL, NULL), 200);
	assert_int_equal(ask("/v2/acme/m/blobs/sha256:" DIGEST("9"), NULL, NULL), 404);
}

static void what_does_not_exist_needs_no_worker(void **state)
{
	(void)state;
	may_work = false;
	assert_int_equal(ask("/v2/acme/x/manifests/q4", NULL, OCI), 404);
	may_only("pull:acme/n");
	assert_int_equal(ask("/v2/acme/m/manifests/q4", NULL, OCI), 404);
	assert_int_equal(ask("/acme/m/resolve/main/m-q4_k_m.gguf", NULL, OCI), 404);
}

/* -- tokens ----------------------------------------------------------------------------------- */

static void token_is(const char *authorization, const char *token)
{
	face_answer_release(&answer);
	face_registry_token(authorization, &answer);
	CLEANUP(json_release) json_t *o = body();
	assert_string_equal(json_text(o, "token"), token);
	assert_string_equal(json_text(o, "access_token"), token);
	assert_string_equal(answer.cache, "no-store");
	assert_null(answer.etag);
}

static void the_password_of_basic_credentials_is_handed_back_as_a_token(void **state)
{
	(void)state;
	token_is("Basic dTpmZXJyeV9hX2I=", "ferry_a_b"); /* u:ferry_a_b */
	token_is("basic OmE6Yg==", "a:b");               /* :a:b */
	token_is("Bearer x", "x");
	static const char *const none[] = { NULL,         "",           "Basic",
					    "Basic ",     "Basic dTo=", /* u: */
					    "Basic dQ==",               /* u */
					    "Basic ****", "Basic dToA" /* u:NUL */ };
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		token_is(none[i], AUTH_ANONYMOUS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_registry_says_what_it_is),
		TEST(one_tag_is_dockers_or_ollamas_manifest_by_what_the_reader_takes),
		TEST(a_blob_is_had_only_through_a_model_that_has_it),
		TEST(a_withdrawn_variant_is_in_no_face),
		TEST(lists_are_in_pages),
		TEST(a_model_out_of_scope_answers_as_one_that_does_not_exist),
		TEST(lists_have_only_what_the_caller_may_pull),
		TEST(what_is_answered_to_credentials_is_not_for_shared_caches),
		TEST(llama_cpp_finds_the_commit_the_tree_and_the_file),
		TEST(an_older_llama_cpp_finds_the_file_by_the_hubs_manifest),
		TEST(a_file_has_the_headers_that_pythons_client_reads),
		TEST(what_is_missing_says_what_it_is),
		TEST(the_list_of_models_can_be_searched),
		TEST(paths_are_asked_for_in_json_or_in_a_form),
		TEST(only_questions_with_a_body_are_posted),
		TEST(lists_are_for_a_worker),
		TEST(the_first_answer_about_a_model_is_for_a_worker_and_no_later_one),
		TEST(what_does_not_exist_needs_no_worker),
		TEST(the_password_of_basic_credentials_is_handed_back_as_a_token),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
