/*
 * What tests of the credentials of AWS share: an environment without any variable of AWS, an empty
 * home, a clock that stands still, and credentials that are asked for keys.
 */
#ifndef FERRY_TESTS_AWS_ROOM_H
#define FERRY_TESTS_AWS_ROOM_H

#include "fake_clock.h"
#include "s3/credentials.h"
#include "unit.h"

struct aws_room {
	char *dir; /* the home */
	struct fake_clock clock;
	struct s3_credentials *c;
	struct s3_keys keys; /* of the last aws_get() */
	struct err e;
};

/* For cmocka; *state is a struct aws_room. */
int aws_setup(void **state);
int aws_teardown(void **state);
#define AWS_TEST(name) cmocka_unit_test_setup_teardown(name, aws_setup, aws_teardown)

/* Writes a file below the home; "%s" in text is the home. */
void aws_write(struct aws_room *r, const char *name, const char *text);
/* Sets a variable for this test. */
void aws_set(const char *name, const char *value);

/* The first call makes the credentials, with this profile. */
int aws_get(struct aws_room *r, const char *profile);
void aws_expect(struct aws_room *r, const char *profile, const char *id, const char *secret,
		const char *token);
void aws_expect_failure(struct aws_room *r, const char *profile, enum err_class class,
			const char *text);

#endif
