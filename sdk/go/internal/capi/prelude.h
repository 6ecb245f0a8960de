// Before each source file of the core.

// No contraction of floating-point expressions: a feature has the same bits on x86-64 and arm64. The rest of the project
// passes -ffp-contract=off, which cgo does not let a package ask for.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
// A source file that is included is no longer the main file, which this warning takes for a mistake.
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
