#include "json/json.h"

json_t *json_error(const struct err *e)
{
	json_t *object = json_object();
	json_put_string(object, "class", err_class_name(e->class));
	json_put_u64(object, "exit",
		     e->class == ERR_CANCELLED ? 128u + (unsigned)e->sys : (unsigned)e->class);
	json_put_string(object, "message", e->text);
	json_put_string(object, "hint", e->hint[0] ? e->hint : NULL);
	return object;
}

int json_opt_error(const json_t *object, const char *at, const char *key, struct err *out,
		   struct err *e)
{
	json_t *member;
	const char *class, *message, *hint;
	enum err_class c;
	int rc = json_opt_object(object, at, key, &member, e);
	*out = (struct err)ERR_INIT;
	if (rc < 0 || !member)
		return rc;
	rc = json_get_string(member, key, "class", &class, e);
	if (rc == 0)
		rc = json_get_string(member, key, "message", &message, e);
	if (rc == 0)
		rc = json_opt_string(member, key, "hint", &hint, e);
	if (rc < 0)
		return rc;
	if (!err_class_parse(class, &c))
		return err_set(e, ERR_INTEGRITY, "%s.class: unknown", key);
	err_set(out, c, "%s", message);
	if (hint)
		err_hint(out, "%s", hint);
	return 0;
}
