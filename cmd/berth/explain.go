package main

import (
	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/cmd/internal/mlbd"
)

func newExplain() *cobra.Command {
	var admin string
	var q mlbd.Question
	cmd := &cobra.Command{
		Use:   "explain URL",
		Short: "say where a request goes, and why",
		Long: "explain asks the load balancer which rule takes a request, which ones do not and why, the backend, and what\n" +
			"each task of the app gets.",
		Example: "  berth explain http://testing6.example.com/\n" +
			"  berth explain http://127.0.0.1:9091/ --header X-Marathon-App-Id=/test3",
		Args: argsBetween(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.Layer(cmd, envPrefix, ""); err != nil {
				return err
			}
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			q.URL = args[0]
			a, err := mlbd.Ask(cmd.Context(), admin, q)
			if err != nil {
				return err
			}
			return mlbd.WriteAnswer(cmd.OutOrStdout(), a, asJSON)
		},
	}
	cmd.Flags().StringVar(&admin, "mlb", "http://127.0.0.1:9090", "statistics port of the load balancer")
	cmd.Flags().StringArrayVar(&q.Headers, "header", nil, "`K=V`, a header of the request; repeatable")
	cmd.Flags().StringVar(&q.From, "from", "", "`address` of the client")
	addOutputFlag(cmd)
	return cmd
}
