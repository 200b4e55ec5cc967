#include "s3/tree.h"

#include "s3/xml.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"
#define BLANKS " \t\r\n"

struct s3_tree *s3_tree_new(const char *name, const char *text)
{
	struct s3_tree *t = NEW(struct s3_tree);
	t->name = mem_strdup(name);
	t->text = mem_strdup(text ? text : "");
	return t;
}

void s3_tree_free(struct s3_tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		s3_tree_free(t->children[i]);
	free(t->children);
	free(t->name);
	free(t->text);
	free(t);
}

void s3_tree_take(struct s3_tree *parent, struct s3_tree *child)
{
	parent->text[0] = '\0';
	parent->children = mem_grow(parent->children, parent->count, &parent->cap,
				    sizeof(struct s3_tree *));
	parent->children[parent->count++] = child;
}

struct s3_tree *s3_tree_add(struct s3_tree *parent, const char *name, const char *text)
{
	struct s3_tree *child = s3_tree_new(name, text);
	s3_tree_take(parent, child);
	return child;
}

void s3_tree_remove(struct s3_tree *parent, size_t n)
{
	s3_tree_free(parent->children[n]);
	parent->count--;
	memmove(parent->children + n, parent->children + n + 1,
		(parent->count - n) * sizeof(struct s3_tree *));
}

struct s3_tree *s3_tree_child(const struct s3_tree *t, const char *name)
{
	for (size_t i = 0; t && i < t->count; i++)
		if (strcmp(t->children[i]->name, name) == 0)
			return t->children[i];
	return NULL;
}

const char *s3_tree_text(const struct s3_tree *t, const char *name)
{
	const struct s3_tree *child = s3_tree_child(t, name);
	return child ? child->text : NULL;
}

/* -- parsing ------------------------------------------------------------------------ */

/* The elements that have ended and whose parents have not, with their depths. */
struct builder {
	struct pending {
		struct s3_tree *tree;
		size_t depth;
	} * at;
	size_t count, cap;
};

static size_t depth_of(const char *path)
{
	size_t depth = 0;
	for (; (path = strchr(path, '/')); path++)
		depth++;
	return depth;
}

/* An element ends after its children: they are the last ones that are one deeper. */
static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	struct builder *b = ctx;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t depth = depth_of(path), first = b->count;
	/* After a namespace's colon, the name may be missing or invalid. */
	if (!((*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z')))
		return err_set(e, ERR_INTEGRITY, "the answer has an element without a name");
	struct s3_tree *t = s3_tree_new(name, text);
	while (first && b->at[first - 1].depth == depth + 1)
		first--;
	for (size_t i = first; i < b->count; i++)
		s3_tree_take(t, b->at[i].tree);
	b->count = first;
	b->at = mem_grow(b->at, b->count, &b->cap, sizeof *b->at);
	b->at[b->count++] = (struct pending){ t, depth };
	return 0;
}

int s3_tree_parse(const char *data, size_t len, struct s3_tree **out, struct err *e)
{
	struct builder b = { 0 };
	int rc = s3_xml_parse(data, len, on_element, &b, e);
	if (rc == 0)
		*out = b.at[--b.count].tree;
	for (size_t i = 0; i < b.count; i++)
		s3_tree_free(b.at[i].tree);
	free(b.at);
	return rc;
}

/* -- writing ------------------------------------------------------------------------ */

static void add_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		const char *entity = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : NULL;
		entity = *text == '>' ? "&gt;" : *text == '\r' ? "&#13;" : entity;
		if (entity)
			buf_adds(out, entity);
		else
			buf_addc(out, *text);
	}
}

static void add_element(struct buf *out, const struct s3_tree *t, const char *attribute)
{
	buf_addf(out, "<%s%s>", t->name, attribute);
	add_text(out, t->text);
	for (size_t i = 0; i < t->count; i++)
		add_element(out, t->children[i], "");
	buf_addf(out, "</%s>", t->name);
}

void s3_tree_write(struct buf *out, const struct s3_tree *t)
{
	add_element(out, t, " xmlns=\"" NAMESPACE "\"");
}

/* -- comparing ---------------------------------------------------------------------- */

static void add_trimmed(struct buf *out, const char *text)
{
	text += strspn(text, BLANKS);
	size_t n = strlen(text);
	while (n && strchr(BLANKS, text[n - 1]))
		n--;
	buf_add(out, text, n);
}

/* A canonical form, equal for trees that mean the same: children are sorted by their own forms. ""
 * for an empty tree. The caller frees it. */
static char *canonical(const struct s3_tree *t)
{
	struct buf out = BUF_INIT(4 * S3_XML_MAX);
	CLEANUP(str_list_release) struct str_list children = { 0 };
	for (size_t i = 0; i < t->count; i++)
		str_list_take(&children, canonical(t->children[i]));
	if (children.count)
		qsort(children.at, children.count, sizeof *children.at, str_compare);
	add_trimmed(&out, t->text);
	for (size_t i = 0; i < children.count; i++)
		buf_adds(&out, children.at[i]);
	CLEANUP(mem_free_ptr) char *inner = buf_steal(&out);
	return *inner ? mem_printf("<%s>%s</%s>", t->name, inner, t->name) : mem_strdup("");
}

bool s3_tree_equal(const struct s3_tree *a, const struct s3_tree *b)
{
	CLEANUP(mem_free_ptr) char *x = canonical(a);
	CLEANUP(mem_free_ptr) char *y = canonical(b);
	return strcmp(a->name, b->name) == 0 && strcmp(x, y) == 0;
}
