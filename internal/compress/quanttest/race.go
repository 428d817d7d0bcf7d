//go:build race

package quanttest

const raceDetector = true
