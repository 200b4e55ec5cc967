#include "unit.h"

#include "s3/page.h"
#include "util/buf.h"

static int parse(const char *text, struct s3_page *out, struct err *e)
{
	return s3_page_parse(text, strlen(text), out, e);
}

static void objects_and_folders_are_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct s3_page p = { 0 };
	assert_ok(parse("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
			"<Name>b</Name><Prefix>x</Prefix><IsTruncated>true</IsTruncated>"
			"<Contents><Key>a%2Bb c</Key><LastModified>2026-01-02T03:04:05.678Z"
			"</LastModified><ETag>&quot;0ab-2&quot;</ETag><Size>42</Size><Owner><ID>7</"
			"ID>"
			"<Key>no</Key></Owner></Contents><CommonPrefixes><Prefix>d/</Prefix>"
			"</CommonPrefixes><NextContinuationToken>t%2F</NextContinuationToken>"
			"</ListBucketResult>",
			&p, &e),
		  &e);
	assert_int_equal(p.count, 2);
	assert_int_equal(p.at[0].kind, S3_ITEM_OBJECT);
	assert_string_equal(p.at[0].name, "a%2Bb c"); /* it does not say that it is encoded */
	assert_string_equal(p.at[0].etag, "0ab-2");
	assert_string_equal(p.at[0].id, "");
	assert_int_equal(p.at[0].size, 42);
	assert_int_equal(p.at[0].time_s, 1767323045);
	assert_int_equal(p.at[1].kind, S3_ITEM_FOLDER);
	assert_string_equal(p.at[1].name, "d/");
	assert_true(p.more);
	assert_string_equal(p.next, "t%2F");
	s3_page_release(&p);
}

static void encoded_names_are_decoded_wherever_the_page_says_so(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct s3_page p = { 0 };
	assert_ok(parse("<R><Upload><Key>a+b%20c%2Bd</Key><UploadId>1%20</UploadId><Initiated>x</"
			"Initiated>"
			"<ChecksumAlgorithm>SHA256</ChecksumAlgorithm></Upload>"
			"<NextKeyMarker>a+b</NextKeyMarker><NextUploadIdMarker>1%20"
			"</NextUploadIdMarker><IsTruncated>true</IsTruncated>"
			"<EncodingType>url</EncodingType></R>",
			&p, &e),
		  &e);
	assert_string_equal(p.at[0].name, "a b c+d");
	assert_string_equal(p.at[0].id, "1%20");
	assert_string_equal(p.at[0].algorithm, "SHA256");
	assert_int_equal(p.at[0].time_s, 0);
	assert_string_equal(p.next, "a b");
	assert_string_equal(p.next_id, "1%20");
	s3_page_release(&p);
}

static void parts_and_versions_are_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct s3_page p = { 0 };
	assert_ok(parse("<R><Part><PartNumber>7</PartNumber><Size>5</Size><ETag>e</ETag>"
			"<ChecksumSHA256>c=</ChecksumSHA256></Part>"
			"<Version><Key>k</Key><VersionId>v</VersionId><IsLatest>true</IsLatest>"
			"</Version><DeleteMarker><Key>k</Key><VersionId>w</VersionId></"
			"DeleteMarker>"
			"<IsTruncated>false</IsTruncated></R>",
			&p, &e),
		  &e);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.at[0].number, 7);
	assert_string_equal(p.at[0].checksum_sha256, "c=");
	assert_true(p.at[1].kind == S3_ITEM_VERSION && p.at[1].latest);
	assert_true(p.at[2].kind == S3_ITEM_VERSION && !p.at[2].latest);
	assert_string_equal(p.at[2].id, "w");
	assert_false(p.more);
	s3_page_release(&p);
}

static void a_page_that_cannot_be_right_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"<R><Contents><Size>-1</Size></Contents></R>",
		"<R><Contents><Size></Size></Contents></R>",
		"<R><Part><PartNumber>x</PartNumber></Part></R>",
		"<R><Contents><Key>%zz</Key></Contents><EncodingType>url</EncodingType></R>",
		"<R><IsTruncated>true</IsTruncated></R>",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;
		struct s3_page p = { 0 };
		assert_int_equal(parse(texts[i], &p, &e), -ERR_INTEGRITY);
		assert_null(p.at);
	}
}

static void a_page_has_a_largest_number_of_items(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct s3_page p = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	buf_adds(&text, "<R>");
	for (int i = 0; i <= S3_PAGE_ITEMS; i++)
		buf_adds(&text, "<Part/>");
	buf_adds(&text, "</R>");
	assert_int_equal(parse(text.data, &p, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "more than 10000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_and_folders_are_read),
		cmocka_unit_test(encoded_names_are_decoded_wherever_the_page_says_so),
		cmocka_unit_test(parts_and_versions_are_read),
		cmocka_unit_test(a_page_that_cannot_be_right_is_refused),
		cmocka_unit_test(a_page_has_a_largest_number_of_items),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
