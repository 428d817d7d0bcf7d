package foreign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// storageTypes are the classes of PyTorch's arrays, with safetensors' names for
// their types. Only what holds weights or codes is among them.
var storageTypes = map[string]string{
	"torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16", "torch.FloatStorage": "F32", "torch.ByteStorage": "U8",
}

// functions are what else a pickle may name.
var functions = []string{
	"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "torch.storage._load_from_bytes", "collections.OrderedDict",
}

// allowed are all names that a pickle may use.
var allowed = func() []string {
	list := functions[:len(functions):len(functions)]
	for name := range storageTypes {
		list = append(list, name)
	}
	return list
}()

// A storage is an array of PyTorch; tensors are views of it.
type storage struct {
	dtype string
	count int    // of values, as announced
	data  []byte // aliases the file; may be known only when the pickle has been run
}

// An array is a tensor of PyTorch: offset and stride are in values.
type array struct {
	of            *storage
	offset        int
	shape, stride []int
}

// An unpickler runs pickles that can build nothing but tensors, dictionaries,
// lists, tuples, numbers and strings.
type unpickler struct {
	budget int // instructions left
	inner  bool
}

// newUnpickler returns an unpickler for one file.
func newUnpickler() *unpickler { return &unpickler{budget: maxInstructions} }

// load runs the pickle at the start of b and returns what it makes and its
// length. Arrays that lie outside the pickle are asked of persistent, by the
// tuple that names them.
func (u *unpickler) load(b []byte, persistent func(*types.Tuple) (any, error)) (value any, size int, err error) {
	program, size, err := scan(b, allowed, &u.budget)
	if err != nil {
		return nil, 0, err
	}
	// The library trusts its input: what is left after the scan, such as a
	// dictionary of an odd number of items, makes it panic.
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("malformed pickle: %.200s", fmt.Sprint(p))
		}
	}()
	p := pickle.NewUnpickler(bytes.NewReader(program))
	p.FindClass = func(module, name string) (any, error) { return u.find(module+"."+name, b) }
	p.PersistentLoad = func(id any) (any, error) {
		t, ok := id.(*types.Tuple)
		if !ok || persistent == nil {
			return nil, errors.New("an array outside of the pickle, where there can be none")
		}
		return persistent(t)
	}
	if value, err = p.Load(); err != nil {
		return nil, 0, shorten(err)
	}
	return value, size, nil
}

// shorten bounds a message that may print all of a pickle.
func shorten(err error) error {
	if s := err.Error(); len(s) > 300 {
		return fmt.Errorf("%.300s…", s)
	}
	return err
}

// find returns what a name that a pickle uses stands for, or refuses it. The
// names of functions that are not here the library knows itself.
func (u *unpickler) find(name string, b []byte) (any, error) {
	if dtype, ok := storageTypes[name]; ok {
		return storageClass{dtype}, nil
	}
	switch name {
	case "torch._utils._rebuild_tensor_v2":
		return call(rebuildTensor), nil
	case "torch._utils._rebuild_parameter":
		return call(func(args []any) (any, error) { return first[*array](args, "a parameter's tensor") }), nil
	case "torch.storage._load_from_bytes":
		return call(func(args []any) (any, error) { return u.loadFromBytes(args, b) }), nil
	}
	return nil, refusal(name)
}

// A storageClass is the class of a storage.
type storageClass struct{ dtype string }

// call is a function that a pickle may call.
type call func(args []any) (any, error)

// Call makes f what the library calls.
func (f call) Call(args ...any) (any, error) { return f(args) }

// first returns the first argument of a call.
func first[T any](args []any, what string) (T, error) {
	if len(args) > 0 {
		if x, ok := args[0].(T); ok {
			return x, nil
		}
	}
	var zero T
	return zero, fmt.Errorf("%s is missing", what)
}

// loadFromBytes reads a storage that was saved by itself, as plain pickles of
// tensors hold them: in the older format of torch.save. The argument is the
// place of the bytes in b.
func (u *unpickler) loadFromBytes(args []any, b []byte) (any, error) {
	place, err := first[[]byte](args, "a storage's bytes")
	if err != nil {
		return nil, err
	}
	if u.inner {
		return nil, errors.New("a storage inside a storage")
	}
	u.inner = true
	defer func() { u.inner = false }()
	at, n := binary.LittleEndian.Uint64(place), binary.LittleEndian.Uint64(place[8:])
	value, err := u.loadLegacy(b[at : at+n])
	if err != nil {
		return nil, err
	}
	s, ok := value.(*storage)
	if !ok {
		return nil, fmt.Errorf("a storage's bytes hold %s", describe(value))
	}
	return s, nil
}

// rebuildTensor makes a tensor of storage, offset, size and stride, the latter
// three in values.
func rebuildTensor(args []any) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor of %d arguments, want storage, offset, size, stride", len(args))
	}
	s, ok := args[0].(*storage)
	offset, ok2 := args[1].(int)
	shape, ok3 := ints(args[2])
	stride, ok4 := ints(args[3])
	if !ok || !ok2 || !ok3 || !ok4 || offset < 0 || len(shape) != len(stride) {
		return nil, errors.New("a tensor whose storage, offset, size and stride do not fit together")
	}
	if len(args) > 6 && args[6] != nil {
		return nil, errors.New("a tensor with flags such as conjugation, which is not implemented")
	}
	return &array{s, offset, shape, stride}, nil
}

// ints returns a tuple of numbers of at least 0.
func ints(x any) ([]int, bool) {
	t, ok := x.(*types.Tuple)
	if !ok {
		return nil, false
	}
	list := make([]int, t.Len())
	for i := range list {
		n, ok := t.Get(i).(int)
		if !ok || n < 0 {
			return nil, false
		}
		list[i] = n
	}
	return list, true
}

// count returns the number of a tensor's values, and an error if they do not
// lie in the storage, or are more than those of the storage: only a stride of 0
// makes such a tensor.
func (a *array) count() (int, error) {
	have := len(a.of.data) / elementBytes(a.of.dtype)
	count, last := 1, a.offset
	for i, n := range a.shape {
		if n == 0 {
			return 0, nil
		}
		if n > have/count || n > 1 && a.stride[i] > have/(n-1) {
			last = have
			break
		}
		count *= n
		last = min(have, last+(n-1)*a.stride[i])
	}
	if last >= have {
		return 0, fmt.Errorf("size %v and stride %v at %d in a storage of %d values", a.shape, a.stride, a.offset, have)
	}
	return count, nil
}

// data returns the values of a tensor that count has found sound, in row-major
// order, in place where they lie so.
func (a *array) data() []byte {
	size, count, inPlace := elementBytes(a.of.dtype), 1, true
	for i := len(a.shape) - 1; i >= 0; i-- {
		inPlace = inPlace && (a.stride[i] == count || a.shape[i] == 1)
		count *= a.shape[i]
	}
	if inPlace {
		return a.of.data[a.offset*size : (a.offset+count)*size]
	}
	return a.gather(count, size)
}

// gather copies count values of size bytes in row-major order.
func (a *array) gather(count, size int) []byte {
	data := make([]byte, 0, count*size)
	index := make([]int, len(a.shape))
	for at := a.offset; len(data) < count*size; {
		data = append(data, a.of.data[at*size:(at+1)*size]...)
		for i := len(index) - 1; i >= 0; i-- {
			index[i]++
			at += a.stride[i]
			if index[i] < a.shape[i] {
				break
			}
			at -= a.shape[i] * a.stride[i]
			index[i] = 0
		}
	}
	return data
}

// elementBytes returns the size of a value of a storage.
func elementBytes(dtype string) int {
	switch dtype {
	case "F32":
		return 4
	case "F16", "BF16":
		return 2
	}
	return 1
}

// describe says what a value of a pickle is.
func describe(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case *array:
		return "a tensor"
	case *storage:
		return "a storage without a shape"
	case *types.Dict, *types.OrderedDict:
		return "a dictionary"
	case *types.List:
		return "a list"
	case *types.Tuple:
		return "a tuple"
	case string:
		return "a text"
	}
	return "a number or a name"
}
