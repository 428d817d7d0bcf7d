package engine_test

import (
	"context"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// demoEngine runs the embedded demo model on the best kernels.
func demoEngine(b *testing.B) *engine.Engine {
	files := demo.ModelFiles()
	cfg, err := model.ParseConfig("config.json", files["config.json"])
	if err != nil {
		b.Fatal(err)
	}
	f, err := safetensors.Parse("model.safetensors", files["model.safetensors"])
	if err != nil {
		b.Fatal(err)
	}
	return newEngine(b, newDevice(b), checkpoint{cfg: cfg, weights: engine.FromCheckpoint(f)}, engine.Options{})
}

// BenchmarkPrefill runs 384 tokens up to the first logits.
func BenchmarkPrefill(b *testing.B) {
	e, prompt := demoEngine(b), make([]int, 384)
	for b.Loop() {
		if _, err := e.Prefill(context.Background(), prompt); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode appends one token, 64 times behind a prompt of 384.
func BenchmarkDecode(b *testing.B) {
	e, prompt, ctx := demoEngine(b), make([]int, 384), context.Background()
	left := 0
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			if _, err := e.Prefill(ctx, prompt); err != nil {
				b.Fatal(err)
			}
			left = 64
			b.StartTimer()
		}
		left--
		if _, err := e.Decode(ctx, 7); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScore runs a window of 512 tokens and reads all its logits in
// blocks of 64, as perplexity does.
func BenchmarkScore(b *testing.B) {
	e, window := demoEngine(b), make([]int, 512)
	for b.Loop() {
		if err := e.Forward(context.Background(), window); err != nil {
			b.Fatal(err)
		}
		for i := 0; i < len(window); i += 64 {
			if _, err := e.Logits(i, i+64); err != nil {
				b.Fatal(err)
			}
		}
	}
}
