/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim is given: input of `start`, the options in it but for files, and a logger's URI. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fuzz.h"
#include "shim/input.h"
#include "shim/settings.h"
#include "task/logger.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void read_options(const struct bh_shim_input *input)
{
	bh_cleanup(bh_config_set_deinit) struct bh_config_set set = BH_CONFIG_SET_INIT;
	struct bh_config settings;
	const Wire__Any *any = bh_shim_input_options(input);
	struct bh_err err = BH_ERR_INIT;

	/* A path would lead to the files of this machine. */
	if (any && any->value.len && memchr(any->value.data, '/', any->value.len))
		return;
	if (bh_shim_settings_read(&set, any, &err) < 0)
		return;
	CHECK(bh_config_resolve(&set, "kata", NULL, &settings, NULL, &err) == 0);
	CHECK(!settings.root || *settings.root == '/');
	CHECK(settings.accelerator < BH_ACCELERATE_MAX_);
}

static void read_uri(const uint8_t *data, size_t size)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_free char *uri = strndup((const char *)data, size);
	struct bh_logger_command command;
	struct bh_err err = BH_ERR_INIT;

	CHECK(uri);
	if (!bh_logger_is(uri) || bh_logger_parse(&arena, uri, &command, &err) < 0)
		return;
	CHECK(command.argv[0][0] == '/');
	for (size_t i = 0; command.argv[i]; i++)
		CHECK(strlen(command.argv[i]) <= strlen(uri));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_shim_input input;
	struct bh_err err = BH_ERR_INIT;

	bh_log_end();
	if (bh_shim_input_parse(data, size, &input, &err) == 0) {
		read_options(&input);
		bh_shim_input_deinit(&input);
	}
	read_uri(data, size);
	return 0;
}
