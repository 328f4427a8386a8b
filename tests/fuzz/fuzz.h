/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target is: one function that libFuzzer calls, or replay.c for the seeds. */
#ifndef BH_TESTS_FUZZ_H
#define BH_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** LLVMFuzzerTestOneInput() - feed @size bytes to a parser; aborts when a promise is broken.
 * Return: 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
