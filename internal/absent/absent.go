// Package absent finds what is missing although it does not compare equal to nil.
package absent

import "reflect"

// Is reports whether v is nil, or an interface that holds a nil pointer or function: what
// is left when the error of a constructor was overlooked.
func Is(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return (r.Kind() == reflect.Pointer || r.Kind() == reflect.Func) && r.IsNil()
}
