/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small documents for the tests of the parser: a frame that is right, and a fragment put into it.
 * Fragments, and the messages expected, are written with ' in place of ".
 */
#ifndef BH_TESTS_OCI_DOCUMENTS_H
#define BH_TESTS_OCI_DOCUMENTS_H

#include <stdio.h>
#include <string.h>

enum frame { TOP, ROOT, PROCESS, MOUNT, HOOK, LINUX, RESOURCES, SECCOMP, RULE, FRAMES };

#define FRAME_HEAD "{'ociVersion':'1.3.0','root':{'path':'rootfs'}"

/* Of twice the same key the last counts, so a fragment can replace what its frame has. */
static const char *const frames[FRAMES][2] = {
	[TOP] = { FRAME_HEAD ",", "}" },
	[ROOT] = { FRAME_HEAD ",'root':{'path':'rootfs',", "}}" },
	[PROCESS] = { FRAME_HEAD ",'process':{'cwd':'/','args':['sh'],", "}}" },
	[MOUNT] = { FRAME_HEAD ",'mounts':[{'destination':'/a'},{'destination':'/b',", "}]}" },
	[HOOK] = { FRAME_HEAD ",'hooks':{'poststop':[{'path':'/h',", "}]}}" },
	[LINUX] = { FRAME_HEAD ",'linux':{", "}}" },
	[RESOURCES] = { FRAME_HEAD ",'linux':{'resources':{", "}}}" },
	[SECCOMP] = { FRAME_HEAD ",'linux':{'seccomp':{'defaultAction':'SCMP_ACT_ERRNO',", "}}}" },
	[RULE] = { FRAME_HEAD ",'linux':{'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
			      "{'names':['a'],'action':'SCMP_ACT_ALLOW'},"
			      "{'names':['b'],'action':'SCMP_ACT_ALLOW',",
		   "}]}}}" },
};

static inline void to_double_quotes(char *text)
{
	for (; *text; text++)
		if (*text == '\'')
			*text = '"';
}

/* @fragment in its frame. Return: bytes */
static inline size_t frame_document(char *buf, size_t size, enum frame frame, const char *fragment)
{
	snprintf(buf, size, "%s%s%s", frames[frame][0], fragment, frames[frame][1]);
	to_double_quotes(buf);
	return strlen(buf);
}

#endif
