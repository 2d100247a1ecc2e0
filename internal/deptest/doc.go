// Package deptest holds the arrows of the design with tests: which package may know of which. Imports point down only,
// and packages that are pure stay so: values in, values out, no sockets, files, processes, clocks, chance or logging.
//
// A package that does not exist is not checked, so a rule may stand here before its package does.
package deptest
