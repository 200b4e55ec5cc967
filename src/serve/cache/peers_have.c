/* What a peer has, as JSON: {"edge": "16 hex digits", "pieces": 3, "have": "e0", "flying": "00"}.
 */
#include "json/json.h"
#include "serve/cache/peers.h"
#include "util/mem.h"

#include <string.h>

bool peers_bit(const unsigned char *map, uint32_t piece)
{
	return map[piece / 8] & 0x80 >> piece % 8;
}

static bool read_map(const json_t *j, const char *key, uint32_t count, unsigned char *out)
{
	const char *hex = json_text(j, key);
	size_t bytes = (count + 7) / 8;
	if (!hex || strlen(hex) != 2 * bytes || !hex_decode(out, bytes, hex, false))
		return false;
	return count % 8 == 0 || !(out[bytes - 1] & 0xff >> count % 8);
}

bool peers_have_parse(const void *data, size_t len, uint32_t count, struct peers_have *out)
{
	static const struct json_limits limits = { .max_bytes = PEERS_ANSWER_MAX, .max_depth = 4 };
	CLEANUP(json_release) json_t *j = NULL;
	struct err ignored = ERR_INIT;
	unsigned char id[8];
	memset(out, 0, sizeof *out);
	if (count > GRID_MAX_PIECES ||
	    json_parse(data, len, &limits, "what a peer has", &j, &ignored) < 0)
		return false;
	const char *edge = json_text(j, "edge");
	if (!edge || strlen(edge) != 16 || !hex_decode(id, sizeof id, edge, false) ||
	    json_number(j, "pieces") != count || !read_map(j, "have", count, out->have) ||
	    !read_map(j, "flying", count, out->flying))
		return false;
	for (size_t i = 0; i < sizeof id; i++)
		out->edge = out->edge << 8 | id[i];
	out->count = count;
	return true;
}

int peers_have_write(uint64_t self, uint32_t count, const struct buf *have,
		     const struct buf *flying, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *j = json_object();
	unsigned char id[8];
	for (size_t i = 0; i < sizeof id; i++)
		id[i] = (unsigned char)(self >> (56 - 8 * i));
	json_put_hex(j, "edge", id, sizeof id);
	json_put_u64(j, "pieces", count);
	json_put_hex(j, "have", have->data, have->len);
	json_put_hex(j, "flying", flying->data, flying->len);
	buf_clear(out);
	return json_compact(j, out, e);
}
