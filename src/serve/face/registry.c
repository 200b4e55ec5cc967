#include "serve/face/registry.h"

#include "auth/header.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "api/registry.h"
#include "serve/face/documents.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define LIST_MAX 1000
#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define TOKEN_S 300

/* -- errors --------------------------------------------------------------------------------- */

static void refuse(struct face_answer *out, unsigned status, const char *code, const char *message)
{
	json_t *root = json_object();
	json_t *error = json_push_object(json_put_array(root, "errors"));
	json_put_string(error, "code", code);
	json_put_string(error, "message", message);
	face_document_error(out, status, root);
}

static void refuse_manifest(struct face_answer *out)
{
	refuse(out, 404, "MANIFEST_UNKNOWN", "manifest unknown");
}

static void refuse_blob(struct face_answer *out)
{
	refuse(out, 404, "BLOB_UNKNOWN", "blob unknown");
}

/* -- lists ---------------------------------------------------------------------------------- */

/* The member n of the query: at most LIST_MAX. */
static size_t limit_of(const struct face_request *r, const char *member)
{
	CLEANUP(mem_free_ptr) char *text = face_document_query(r->query, member);
	uint64_t n;
	return text && parse_u64(text, &n) && n < LIST_MAX ? (size_t)n : LIST_MAX;
}

static void link_next(const struct face_request *r, size_t n, const char *last,
		      struct face_answer *out)
{
	CLEANUP(mem_free_ptr) char *from = path_percent_encode(last, "");
	CLEANUP(mem_free_ptr) char *path = path_percent_encode(r->path, "/");
	face_document_header(out, "Link", "<%s?n=%zu&last=%s>; rel=\"next\"", path, n, from);
}

static void answer_catalog(const struct face_views *v, const struct face_request *r,
			   struct face_answer *out)
{
	CLEANUP(face_document_models_release) struct face_models found = { 0 };
	CLEANUP(mem_free_ptr) char *after = face_document_query(r->query, "last");
	CLEANUP(mem_free_ptr) char *last = NULL;
	size_t n = limit_of(r, "n");
	if (!r->may_work)
		return;
	face_document_models(v, r, after, n, &found);
	json_t *root = json_object();
	json_t *list = json_put_array(root, "repositories");
	for (size_t i = 0; i < found.count; i++) {
		free(last);
		last = mem_printf("%s/%s", view_repository(found.at[i].view), found.at[i].card->id);
		json_push_string(list, last);
	}
	face_document_json(out, NULL, FACE_FRESH, root);
	if (found.more && last)
		link_next(r, n, last, out);
}

static void answer_tags(const struct api_registry *m, const struct face_request *r,
			struct face_answer *out)
{
	if (!r->may_work)
		return;
	CLEANUP(str_list_release) struct str_list tags = { 0 };
	CLEANUP(mem_free_ptr) char *after = face_document_query(r->query, "last");
	size_t n = limit_of(r, "n"), count = 0;
	const char *last = NULL;
	api_registry_tags(m, &tags);
	if (tags.count)
		qsort(tags.at, tags.count, sizeof *tags.at, str_compare);
	json_t *root = json_object();
	json_put_string(root, "name", m->hub.name);
	json_t *list = json_put_array(root, "tags");
	size_t i = 0;
	for (; i < tags.count && count < n; i++)
		if (!after || strcmp(tags.at[i], after) > 0) {
			json_push_string(list, last = tags.at[i]);
			count++;
		}
	face_document_json(out, NULL, FACE_FRESH, root);
	if (i < tags.count && last)
		link_next(r, n, last, out);
}

static void answer_referrers(struct face_answer *out)
{
	json_t *root = json_object();
	json_put_u64(root, "schemaVersion", 2);
	json_put_string(root, "mediaType", TYPE_INDEX);
	json_put_array(root, "manifests");
	face_document_json(out, NULL, FACE_FRESH, root);
	out->type = TYPE_INDEX;
}

/* -- documents ------------------------------------------------------------------------------ */

static void answer_document(const struct view *v, const struct api_document *d, enum face_keep keep,
			    struct face_answer *out)
{
	char digest[OCI_DIGEST];
	face_document_bytes(out, v, d->type, keep, buf_str(&d->bytes), d->bytes.len);
	face_document_header(out, "Docker-Content-Digest", "%s",
			     oci_digest_text(digest, &d->digest));
}

static bool takes(const char *accept, const char *type)
{
	return accept && strcasestr(accept, type);
}

/* Docker's manifest, and no other. */
static bool is_ollama(const char *accept)
{
	return takes(accept, OCI_TYPE_DOCKER) && !takes(accept, OCI_TYPE_MANIFEST) &&
	       !takes(accept, "*/*");
}

static void answer_manifest(const struct face_model *m, const char *reference,
			    const struct face_request *r, struct face_answer *out)
{
	CLEANUP(api_document_release) struct api_document d = { 0 };
	struct err e = ERR_INIT;
	struct digest digest;
	bool by_digest = oci_digest_parse(reference, &digest);
	int rc = by_digest ? api_registry_by_digest(m->api, &digest, &d, &e)
			   : api_registry_manifest(m->api, reference, is_ollama(r->accept), &d, &e);
	if (rc < 0) {
		refuse_manifest(out);
		return;
	}
	answer_document(m->view, &d, by_digest ? FACE_IMMUTABLE : FACE_FRESH, out);
	if (!by_digest)
		face_document_header(out, "Vary", "Accept");
}

/* A file of the model; false: it has none with this digest. Withdrawn ones are not there. */
static bool find_file(const struct face_model *m, const struct digest *digest,
		      struct view_file *out)
{
	const struct card_file *f = api_registry_file(m->api, digest);
	struct err ignored = ERR_INIT;
	return f && view_card_file(m->view, f, out, &ignored) == 0 && !out->withdrawn;
}

static void answer_blob(const struct face_model *m, const char *reference, struct face_answer *out)
{
	CLEANUP(api_document_release) struct api_document d = { 0 };
	struct err ignored = ERR_INIT;
	struct view_file f;
	struct digest digest;
	if (!oci_digest_parse(reference, &digest)) {
		refuse(out, 400, "DIGEST_INVALID", "the digest is not sha256:…");
		return;
	}
	if (find_file(m, &digest, &f)) {
		face_document_file(out, m->view, &f, FACE_IMMUTABLE);
		face_document_header(out, "Docker-Content-Digest", "%s", reference);
	} else if (api_registry_blob(m->api, &digest, &d, &ignored) == 0) {
		answer_document(m->view, &d, FACE_IMMUTABLE, out);
	} else {
		refuse_blob(out);
	}
}

static void answer_model(const struct face_views *v, const struct face_request *r,
			 const struct str_list *parts, struct face_answer *out)
{
	struct face_model m;
	const char *what = parts->at[3], *reference = parts->at[4];
	if (!face_document_model(v, r, parts->at[1], parts->at[2], &m)) {
		refuse(out, 404, "NAME_UNKNOWN", "repository name not known to registry");
		return;
	}
	if (!m.api)
		return;
	if (strcmp(what, "manifests") == 0)
		answer_manifest(&m, reference, r, out);
	else if (strcmp(what, "blobs") == 0)
		answer_blob(&m, reference, out);
	else if (strcmp(what, "tags") == 0 && strcmp(reference, "list") == 0)
		answer_tags(m.api, r, out);
	else if (strcmp(what, "referrers") == 0)
		answer_referrers(out);
	else
		refuse(out, 404, "UNSUPPORTED", "there is no such path in this registry");
}

bool face_registry(const struct face_views *v, const struct face_request *r,
		   struct face_answer *out)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	if (strcmp(r->path, "/v2") != 0 && !str_starts(r->path, "/v2/"))
		return false;
	bool split = face_document_split(r->path, &parts, 5);
	if (strcmp(r->path, "/v2") == 0 || strcmp(r->path, "/v2/") == 0)
		face_document_json(out, NULL, FACE_FRESH, json_object());
	else if (split && parts.count == 2 && strcmp(parts.at[1], "_catalog") == 0)
		answer_catalog(v, r, out);
	else if (split && parts.count == 5)
		answer_model(v, r, &parts, out);
	else
		refuse(out, 404, "NAME_UNKNOWN", "repository name not known to registry");
	face_document_header(out, "Docker-Distribution-Api-Version", "registry/2.0");
	return true;
}

/* -- tokens --------------------------------------------------------------------------------- */

void face_registry_token(const char *authorization, struct face_answer *out)
{
	CLEANUP(buf_wipe) struct buf plain = BUF_INIT(AUTH_HEADER_MAX);
	bool has = authorization && auth_header_parse(authorization, &plain);
	const char *secret = has && utf8_valid(plain.data, plain.len) ? buf_str(&plain) : NULL;
	json_t *root = json_object();
	json_put_string(root, "token", secret ? secret : AUTH_ANONYMOUS);
	json_put_string(root, "access_token", secret ? secret : AUTH_ANONYMOUS);
	json_put_u64(root, "expires_in", TOKEN_S);
	face_document_error(out, 200, root);
}
