#include "aws_room.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdlib.h>

extern char **environ;

static void forget_variables(void)
{
	for (size_t i = 0; environ[i];) {
		if (!str_starts(environ[i], "AWS_")) {
			i++;
			continue;
		}
		char *name = mem_strndup(environ[i], strcspn(environ[i], "="));
		unsetenv(name);
		free(name);
	}
}

int aws_setup(void **state)
{
	struct aws_room *r = NEW(struct aws_room);
	r->dir = scratch_new();
	fake_clock_init(&r->clock);
	forget_variables();
	unsetenv("http_proxy");
	setenv("HOME", r->dir, 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	*state = r;
	return 0;
}

int aws_teardown(void **state)
{
	struct aws_room *r = *state;
	s3_keys_release(&r->keys);
	s3_credentials_free(r->c);
	scratch_free(r->dir);
	free(r);
	return 0;
}

void aws_write(struct aws_room *r, const char *name, const char *text)
{
	struct buf b = BUF_INIT(64 * KIB);
	for (const char *at; (at = strstr(text, "%s")); text = at + 2)
		buf_addf(&b, "%.*s%s", (int)(at - text), text, r->dir);
	buf_adds(&b, text);
	scratch_write(r->dir, name, b.data, b.len);
	buf_release(&b);
}

void aws_set(const char *name, const char *value)
{
	setenv(name, value, 1);
}

int aws_get(struct aws_room *r, const char *profile)
{
	err_clear(&r->e);
	s3_keys_release(&r->keys);
	if (!r->c)
		r->c = s3_credentials_new(&(struct s3_credentials_options){
			.profile = profile, .clock = &r->clock.clock });
	return s3_credentials_get(r->c, &r->keys, &r->e);
}

void aws_expect(struct aws_room *r, const char *profile, const char *id, const char *secret,
		const char *token)
{
	assert_ok(aws_get(r, profile), &r->e);
	assert_string_equal(r->keys.id, id);
	assert_string_equal(r->keys.secret, secret);
	if (token)
		assert_string_equal(r->keys.token, token);
	else
		assert_null(r->keys.token);
}

void aws_expect_failure(struct aws_room *r, const char *profile, enum err_class class,
			const char *text)
{
	int rc = aws_get(r, profile);
	if (rc != -(int)class || !strstr(r->e.text, text))
		fail_msg("wanted %s '%s', got %d '%s'", err_class_name(class), text, rc, r->e.text);
}
