"""What Tidegate is made of: its pinned packages, their licences, and the SBOM of each artefact."""
