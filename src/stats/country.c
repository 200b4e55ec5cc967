#include "stats/country.h"

#include "util/mem.h"

#include <arpa/inet.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <string.h>

struct stats_country {
	MMDB_s file;
};

int stats_country_open(const char *path, struct stats_country **out, struct err *e)
{
	struct stats_country *c = NEW(struct stats_country);
	int status = MMDB_open(path, MMDB_MODE_MMAP, &c->file);
	if (status != MMDB_SUCCESS) {
		free(c);
		err_set(e, ERR_USAGE, "%s: cannot be used as a MaxMind DB: %s", path,
			MMDB_strerror(status));
		return err_hint(e, "[stats] country names a file such as GeoLite2-Country.mmdb");
	}
	*out = c;
	return 0;
}

void stats_country_close(struct stats_country *c)
{
	if (!c)
		return;
	MMDB_close(&c->file);
	free(c);
}

bool stats_country_is_code(const char *text, size_t len)
{
	return len == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z';
}

static bool read_code(MMDB_entry_s *entry, const char *const *path, char out[2])
{
	MMDB_entry_data_s data;
	if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
	    data.type != MMDB_DATA_TYPE_UTF8_STRING ||
	    !stats_country_is_code(data.utf8_string, data.data_size))
		return false;
	memcpy(out, data.utf8_string, 2);
	return true;
}

bool stats_country_find(struct stats_country *c, const uint8_t address[16], char out[2])
{
	static const char *const nested[] = { "country", "iso_code", NULL };
	static const char *const flat[] = { "country_code", NULL };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool is_v4 = memcmp(address, mapped, sizeof mapped) == 0;
	memcpy(&v4.sin_addr, address + 12, 4);
	memcpy(&v6.sin6_addr, address, 16);
	if (!is_v4 && c->file.metadata.ip_version == 4)
		return false;
	int status = MMDB_SUCCESS;
	MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&c->file,
							  is_v4 ? (const struct sockaddr *)&v4
								: (const struct sockaddr *)&v6,
							  &status);
	return status == MMDB_SUCCESS && found.found_entry &&
	       (read_code(&found.entry, nested, out) || read_code(&found.entry, flat, out));
}
