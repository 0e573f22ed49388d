package plugin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

// limits returns what each peer may use of each method, ordered by method.
func (s *Service) limits() []api.Limit {
	quotas := s.quotas()
	list := make([]api.Limit, 0, len(quotas))
	for _, method := range slices.Sorted(maps.Keys(quotas)) {
		list = append(list, s.limitOf(method, quotas[method]))
	}
	return list
}

func (s *Service) limitOf(method string, q limits.Quota) api.Limit {
	return api.Limit{
		Method:   method,
		Requests: config.Rate(q.Requests),
		Items:    config.Rate(q.Items),
		Bytes:    config.ByteRate(q.Bytes),
		Changed:  q != s.configured.Method(method).Peer,
	}
}

// setLimit changes what each peer may use of a method, and returns what results.
func (s *Service) setLimit(method string, change api.LimitChange) (api.Limit, error) {
	if all := s.quotas(); all[method] == (limits.Quota{}) {
		return api.Limit{}, fmt.Errorf("method %q: want one of %s", method, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	c := s.limiter.Config()
	m := c.Method(method)
	setRate(&m.Peer.Requests, (*limits.Rate)(change.Requests))
	setRate(&m.Peer.Items, (*limits.Rate)(change.Items))
	setRate(&m.Peer.Bytes, (*limits.Rate)(change.Bytes))
	c.Methods[method] = m
	if err := s.limiter.Apply(c); err != nil {
		return api.Limit{}, err
	}
	c = s.limiter.Config()
	return s.limitOf(method, c.Method(method).Peer), nil
}

// warnOfLimits logs which limits make requesters wait at the floor.
func (s *Service) warnOfLimits() {
	for _, err := range (config.Config{Limits: s.limiter.Config()}).Warnings() {
		s.log().Warn("limit is low", "err", err)
	}
}

func setRate(to, from *limits.Rate) {
	if from != nil {
		*to = *from
	}
}
