package reelsense

import (
	"fmt"
	"sort"
	"strings"

	"reelsense.dev/go/internal/capi"
)

// PolicySetting is one setting of the QoS policy (docs/reference/qos-policy.md).
type PolicySetting struct {
	Name, Unit, Help string
	Low, High        float64 // smallest and largest value
	Default          float64
}

// PolicySettings lists all settings that Options.Policy takes.
func PolicySettings() []PolicySetting {
	var settings []PolicySetting
	for i := uint32(0); ; i++ {
		key, ok := capi.PolicyKeyAt(i)
		if !ok {
			return settings
		}
		settings = append(settings, PolicySetting{key.Name, key.Unit, key.Help, key.Low, key.High, key.Standard})
	}
}

// newPolicy makes the default policy with changes; without changes the zero policy, which means the default.
func newPolicy(changes map[string]float64) (capi.Policy, error) {
	if len(changes) == 0 {
		return capi.Policy{}, nil
	}
	policy, status, text := capi.NewPolicy()
	if err := failure("create policy", status, text); err != nil {
		return capi.Policy{}, err
	}
	names := make([]string, 0, len(changes))
	for name := range changes {
		names = append(names, name)
	}
	sort.Strings(names) // the same mistake gives the same message
	for _, name := range names {
		if strings.IndexByte(name, 0) >= 0 {
			policy.Free()
			return capi.Policy{}, &Error{"set policy", ErrInvalidArgument, fmt.Sprintf("no setting is named %q", name)}
		}
		status, text := policy.Set(name, changes[name])
		if err := failure("set policy", status, text); err != nil {
			policy.Free()
			return capi.Policy{}, err
		}
	}
	return policy, nil
}
