// Where the C++ standard library would throw: the core has no exceptions, so the process stops. Apart from
// runtime.cc because the linker's optimiser sees these: what nobody reads, the names of containers, is then
// passed by nobody.
#include <cstdlib>

// clang-format off
namespace std {
void __throw_bad_alloc() { abort(); }
void __throw_bad_array_new_length() { abort(); }
void __throw_bad_function_call() { abort(); }
void __throw_invalid_argument(const char*) { abort(); }
void __throw_length_error(const char*) { abort(); }
void __throw_logic_error(const char*) { abort(); }
void __throw_out_of_range(const char*) { abort(); }
void __throw_out_of_range_fmt(const char*, ...) { abort(); }
}  // namespace std
// clang-format on
