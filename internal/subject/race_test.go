//go:build race

package subject_test

// raceDetector tells that shadow memory is among what a process holds.
const raceDetector = true
