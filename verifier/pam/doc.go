// Package pam checks passwords with the PAM stack of a service.
package pam
