// An API behind access tokens (RFC 6750, RFC 9068) with go-oidc: ISSUER and AUDIENCE say whose and for whom.
// Debian: apt-get install golang-go golang-github-coreos-go-oidc-dev
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o notes-api samples/go-api/main.go
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/coreos/go-oidc"
)

func main() {
	issuer, audience := setting("ISSUER", "http://localhost:8016"), setting("AUDIENCE", "https://api.example.com/notes")
	provider, err := oidc.NewProvider(context.Background(), issuer)
	if err != nil {
		log.Fatal(err)
	}
	// go-oidc checks issuer, audience (under the name ClientID), algorithm, signature and expiry; typ and scope are ours to check.
	verifier := provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256"}})

	requireScope := func(scope string, handle func(http.ResponseWriter, *oidc.IDToken)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			if !strings.EqualFold(scheme, "Bearer") {
				refuse(w, http.StatusUnauthorized, `Bearer`)
				return
			}
			token, err := verifier.Verify(r.Context(), strings.TrimSpace(raw))
			if err != nil || typ(raw) != "at+jwt" {
				log.Printf("Refused: typ %q, %q", typ(raw), fmt.Sprint(err)) // the caller is not told what was wrong with it; you are
				refuse(w, http.StatusUnauthorized, `Bearer error="invalid_token"`)
				return
			}
			var claims struct {
				Scope    string `json:"scope"`
				ClientID string `json:"client_id"`
			}
			if token.Claims(&claims) != nil || claims.ClientID == "" {
				refuse(w, http.StatusUnauthorized, `Bearer error="invalid_token"`)
				return
			}
			for _, granted := range strings.Split(claims.Scope, " ") {
				if granted == scope {
					handle(w, token)
					return
				}
			}
			refuse(w, http.StatusForbidden, `Bearer error="insufficient_scope", scope="`+scope+`"`)
		}
	}

	read := requireScope("notes.read", func(w http.ResponseWriter, token *oidc.IDToken) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"notes": []string{"buy milk"}, "caller": token.Subject})
	})
	write := requireScope("notes.write", func(w http.ResponseWriter, token *oidc.IDToken) { w.WriteHeader(http.StatusCreated) })
	http.HandleFunc("/notes", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			read(w, r)
		case http.MethodPost:
			write(w, r)
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+setting("PORT", "3002"), nil))
}

// typ reads the header of a token whose signature has been checked, and with it this.
func typ(raw string) string {
	head, _, _ := strings.Cut(strings.TrimSpace(raw), ".")
	var header struct {
		Typ string `json:"typ"`
	}
	if text, err := base64.RawURLEncoding.DecodeString(head); err != nil || json.Unmarshal(text, &header) != nil {
		return ""
	}
	return header.Typ
}

func refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(status)
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
