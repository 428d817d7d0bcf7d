//go:build !unix

package main

const fileSizeLimit = "SKETCHBENCH_TEST_FSIZE"

func limitFileSize(string) {}
