// Package ruleset is the pure core of vip: it turns apps into the rules that one network namespace should have, and two
// such states into the batch that leads from one to the other. It does no I/O and knows neither clock nor chance.
//
//	apps ─ label.go, request.go, backend.go ─▶ claims ─ builder.go, assemble.go ─▶ Ruleset ─ settle.go, diff.go ─▶ Batch
//
// One table serves all virtual addresses (VIPs). Its chains are constant; what changes are elements of shared maps:
//
//	services4, services6   address . protocol . port        → goto pick4_<N> or pick6_<N> for N slots, goto refused for none
//	backends4, backends6   address . protocol . port . slot → address . port
//
// So an additional backend is two elements, whatever else exists. A chain or map for each VIP would make loading quadratic,
// because the kernel finds both by walking a list of names.
package ruleset
